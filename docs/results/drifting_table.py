"""Write the table of the question of freshness: `docs/results/drifting_table.py FOLDER`.

Made-up rows of 300 days in two scenarios. Items come and go, each for about 20 days, and users for
about 60; what they are worth drifts from day to day. So labels of months ago say nothing of what is
shown today. The truth of both tasks is known. The key `trap` is a number for every day and label:
by it, a row would know its label if it counted those of its own day; earlier days do not have it.

Legend: D days, E entities (items or users), R rows.
"""

import sys
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import expit

DAYS, ROWS_A_DAY = 300, 700
VALID_FROM, TEST_FROM = 220, 240  # test begins at once after 20 days of validation
SCENARIOS = ("feed", "search")
DRIFT = 0.03  # standard deviation of a day's change of a worth; worths have about 1

Numbers = NDArray[np.int64]
Worths = NDArray[np.float64]


def active_entities(
    generator: np.random.Generator, num_active: int, days_of_life: int, rows_a_day: int
) -> tuple[Numbers, Worths]:
    """Return the entities that are active on every day (D, A), and the worth of each (D, E)."""
    num_entities = num_active + DAYS * num_active // days_of_life
    first_E = np.concatenate(
        [np.full(num_active, -1), np.linspace(0, DAYS, num_entities - num_active).astype(int)]
    )
    life_E = generator.geometric(1 / days_of_life, num_entities)
    day_D = np.arange(DAYS)[:, None]
    is_active_DE = (first_E <= day_D) & (day_D < first_E + life_E)
    is_active_DE[:, :2] = True  # some are there always
    steps_DE = DRIFT * generator.standard_normal((DAYS, num_entities))
    worth_DE = generator.standard_normal(num_entities) + np.cumsum(steps_DE, axis=0)
    chosen = [
        generator.choice(np.flatnonzero(is_active_E), rows_a_day) for is_active_E in is_active_DE
    ]
    return np.stack(chosen), worth_DE


def drifting_table(seed: int = 0, rows_a_day: int = ROWS_A_DAY) -> pl.DataFrame:
    """Return the rows, in the order of time."""
    generator = np.random.default_rng(seed)
    user_DR, user_worth_DE = active_entities(generator, 40, 60, rows_a_day)
    item_DR, item_worth_DE = active_entities(generator, 12, 20, rows_a_day)
    day_R = np.repeat(np.arange(DAYS), rows_a_day)
    user_R, item_R = user_DR.ravel(), item_DR.ravel()
    logit_R = 0.9 * user_worth_DE[day_R, user_R] + 1.2 * item_worth_DE[day_R, item_R] - 0.7
    truth_R, buys_R = expit(logit_R), expit(0.8 * item_worth_DE[day_R, item_R] - 1.0)
    click_R = generator.random(day_R.size) < truth_R
    buy_R = click_R & (generator.random(day_R.size) < buys_R)
    days = [date(2025, 1, 1) + timedelta(days=day) for day in range(DAYS)]
    return pl.DataFrame(
        {
            "day": pl.Series(days)[day_R],
            "scenario": generator.choice(SCENARIOS, day_R.size, p=(0.7, 0.3)),
            "user": user_R,
            "item": item_R,
            "click": click_R.astype(np.int8),
            "buy": buy_R.astype(np.int8),
            "truth_click": truth_R,
            "truth_buy": truth_R * buys_R,
            "trap": 2 * day_R + click_R,
            "split": np.select([day_R < VALID_FROM, day_R < TEST_FROM], ["train", "valid"], "test"),
        }
    )


if __name__ == "__main__":
    target = Path(sys.argv[1]) / "drifting" / "rows.parquet"
    target.parent.mkdir(parents=True, exist_ok=True)
    made = drifting_table()
    made.write_parquet(target)
    print(f"wrote {target}: {len(made):,} rows")
