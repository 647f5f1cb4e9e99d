"""Write the table of the question of numbers: `docs/results/uneven_table.py FOLDER`.

Synthetic rows without ids, as of insurance or credit: twelve numbers and five fields of few values,
in two scenarios. Numbers are uneven: some have heavy tails, some are zero in most rows, some take
few values. The truth of both tasks is known. It has thresholds, a bend, and pairs of inputs of
which either alone says little. Rows are independent; the split is random.

Legend: R rows.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import expit, ndtr

NUM_ROWS = 120_000
SHARES = (0.7, 0.15, 0.15)
SPLITS = ("train", "valid", "test")
SCENARIOS = ("new", "renewal")
NUM_VALUES = {"region": 8, "channel": 4, "product": 5, "payment": 3, "gender": 2}

Values = NDArray[Any]  # one a row (R,)
Table = dict[str, Values]


def uneven_table(seed: int = 0) -> pl.DataFrame:
    """Return the rows."""
    generator = np.random.default_rng(seed)
    normal_R6 = generator.standard_normal((NUM_ROWS, 6))
    level_R = ndtr(normal_R6)
    numbers = {
        "income": np.exp(10 + 1.2 * normal_R6[:, 0]),
        "balance": np.sign(normal_R6[:, 1]) * np.expm1(3 * np.abs(normal_R6[:, 1])),
        "age": np.floor(18 + 60 * level_R[:, 2]),
        "tenure": np.floor(np.exp(2.5 * level_R[:, 3]) - 1),
        "score": 300 + 550 * level_R[:, 4],
        "distance": 1 / (1 - 0.9999 * level_R[:, 5]),
        "claims": _mostly_zero(generator, 0.85, generator.poisson(1.5, NUM_ROWS) + 1),
        "debt": _mostly_zero(generator, 0.6, np.exp(generator.normal(7, 2, NUM_ROWS))),
        "visits": generator.negative_binomial(1, 0.15, NUM_ROWS).astype(np.float64),
        "hour": generator.integers(0, 24, NUM_ROWS).astype(np.float64),
        "noise": generator.standard_normal(NUM_ROWS),
        "tail": generator.standard_t(2, NUM_ROWS),
    }
    fields = {name: generator.integers(0, size, NUM_ROWS) for name, size in NUM_VALUES.items()}
    scenario_R = generator.integers(0, len(SCENARIOS), NUM_ROWS)
    claim_R = expit(_claim_logits(numbers, fields, scenario_R))
    lapse_R = expit(_lapse_logits(numbers, fields, scenario_R))
    columns: dict[str, object] = {**numbers, **fields}
    return pl.DataFrame(
        {
            **columns,
            "scenario": np.array(SCENARIOS)[scenario_R],
            "claim": (generator.random(NUM_ROWS) < claim_R).astype(np.int8),
            "lapse": (generator.random(NUM_ROWS) < lapse_R).astype(np.int8),
            "truth_claim": claim_R,
            "truth_lapse": lapse_R,
            "split": generator.choice(SPLITS, NUM_ROWS, p=SHARES),
        }
    )


def _mostly_zero(generator: np.random.Generator, share: float, values_R: Values) -> Values:
    return np.where(generator.random(NUM_ROWS) < share, 0.0, values_R)


def _claim_logits(numbers: Table, fields: Table, scenario_R: Values) -> Values:
    young_R = numbers["age"] < 26
    steps_R = 0.9 * young_R + 0.8 * (numbers["claims"] > 0) + 0.5 * (numbers["claims"] > 2)
    steps_R = steps_R - 0.7 * (numbers["score"] > 640) - 0.5 * (numbers["tenure"] >= 3)
    steps_R = steps_R + 0.6 * (numbers["debt"] > 1500) + 0.5 * (np.abs(numbers["tail"]) > 3)
    night_R = (numbers["hour"] < 5) | (numbers["hour"] > 22)
    far_R = numbers["distance"] > 4
    pairs_R = 1.0 * (night_R & young_R) + 0.8 * np.where(far_R == (fields["channel"] == 1), 1, -1)
    rich_R = numbers["income"] > 20_000
    pairs_R = pairs_R + 0.5 * np.where(rich_R == (fields["gender"] == 1), 1, -1)
    of_region_R = np.array([-0.5, -0.3, -0.1, 0.0, 0.1, 0.2, 0.3, 0.5])[fields["region"]]
    return -1.6 + steps_R + pairs_R + of_region_R + 0.3 * scenario_R


def _lapse_logits(numbers: Table, fields: Table, scenario_R: Values) -> Values:
    bend_R = 0.35 * np.abs(np.log(numbers["income"]) - 10)
    steps_R = 0.8 * (numbers["balance"] < -20) - 0.6 * (numbers["visits"] > 12)
    steps_R = steps_R + 0.7 * ((numbers["score"] > 450) & (numbers["score"] < 540))
    cheap_R = (fields["product"] == 0) | (fields["product"] == 3)
    pairs_R = 0.7 * np.where(cheap_R == (numbers["tenure"] < 2), 1, -1)
    pairs_R = pairs_R + 0.6 * scenario_R * (numbers["claims"] > 0) * (fields["payment"] == 2)
    return -1.2 + bend_R + steps_R + pairs_R


if __name__ == "__main__":
    target = Path(sys.argv[1]) / "uneven" / "rows.parquet"
    target.parent.mkdir(parents=True, exist_ok=True)
    made = uneven_table()
    made.write_parquet(target)
    print(f"{len(made):,} rows in {target}")
