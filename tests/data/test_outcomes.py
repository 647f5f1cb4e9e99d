"""data init takes features away whose values betray that they are known only after the row.

A column of yes and no beside the labels is a feature if it is an attribute, else neither; once
tasks are named, a feature with a doubt.
"""

import re
from statistics import NormalDist

import numpy as np
import polars as pl
import pytest

from hinet_search.data.guess.frequent import ScenarioRows, frequent_labels
from hinet_search.study.data_definition import DataDefinition
from tests.data import guessing

NUM_ROWS = 3_000
DRAW = np.random.default_rng(5)
ORDER = (DRAW.random(NUM_ROWS) < 0.1).astype(int)
CLICK = np.maximum(ORDER, DRAW.random(NUM_ROWS) < 0.3).astype(int)
TABLE = pl.DataFrame(
    {
        "channel": DRAW.choice(["home", "search"], NUM_ROWS),
        "is_click": CLICK,
        "city": DRAW.choice(["a", "b", "c"], NUM_ROWS),
        "age": DRAW.normal(40, 10, NUM_ROWS) + CLICK,
    }
)
USER = DRAW.integers(0, 300, NUM_ROWS)
FLAG = (DRAW.random(NUM_ROWS) < 0.3).astype(int)


def drafted(**columns: object) -> tuple[DataDefinition, str]:
    """The definition of the table with further columns, and its text."""
    series = [pl.Series(name, values) for name, values in columns.items()]
    return guessing.drafted(TABLE.with_columns(series))


WATCHED = np.where(CLICK == 1, 10.0, 0.0) + DRAW.random(NUM_ROWS)
ALONE = "- step   # check: alone it has AUC 1.00 for is_click; an outcome?"
OUTCOMES: dict[str, tuple[object, str]] = {
    "a number that orders rows as a label does": (WATCHED, ALONE),
    "such a number as text": (WATCHED.round(3).astype(str), ALONE),
    "one that falls where the label is 1": (-WATCHED, "alone it has AUC 0.00 for is_click"),
    "values only where the label is 1": (
        [row if click else None for row, click in enumerate(CLICK)],
        "it has a value only in rows with is_click",
    ),
}


@pytest.mark.parametrize(("values", "reason"), OUTCOMES.values(), ids=OUTCOMES)
def test_a_column_that_gives_a_label_away_is_an_outcome(values: object, reason: str) -> None:
    definition, text = drafted(step=values)
    assert definition.never_features == ("step",)
    assert reason in text


def test_a_user_of_two_values_is_no_outcome() -> None:
    definition, _ = drafted(user_id=ORDER)
    assert (definition.user, definition.never_features) == ("user_id", ())


def test_what_nearly_every_row_has_is_no_outcome() -> None:
    definition, _ = drafted(is_member=np.maximum(CLICK, DRAW.random(NUM_ROWS) < 0.9).astype(int))
    assert "is_member" in definition.features.numeric


@pytest.mark.parametrize(
    ("name", "share"), [("n_rated", 0.86), ("depth", 0.88), ("page_seconds", 0.91)]
)
def test_a_number_that_orders_rows_better_than_honest_ones_do_is_to_check(
    name: str, share: float
) -> None:
    definition, text = drafted(**{name: _with_area(share)})
    assert name in definition.features.numeric
    assert (
        f"alone it has AUC {share:.2f} for is_click; if it is known only afterwards, move it to never_features"
        in text
    )


def test_so_is_a_category_by_the_rates_of_other_rows() -> None:
    codes = np.digitize(_with_area(0.9), [-1.0, 0.0, 1.0, 2.0])
    definition, text = drafted(last_page=np.array(list("vwxyz"))[codes])
    assert "last_page" in definition.features.categorical
    assert re.search(r"- last_page   # check: 5 values; alone it has AUC 0\.8\d for is_click", text)


@pytest.mark.parametrize("share", [0.5, 0.65, 0.75, 0.25])
def test_a_number_as_strong_as_honest_ones_is_not_to_check(share: float) -> None:
    _, text = drafted(rate_of_user=_with_area(share))
    assert "rate_of_user   # check" not in text


def test_a_category_with_a_value_for_every_few_rows_is_not_to_check() -> None:
    """Rates of its own rows would order them nearly perfectly."""
    _, text = drafted(street=[f"s{code}" for code in DRAW.integers(0, 1_000, NUM_ROWS)])
    assert re.search(r"- street   # about [\d,]+ values\n", text)


@pytest.mark.parametrize(
    "name",
    ["n_rated_later", "pages_after", "scroll_depth", "next_visit"],
)
def test_a_name_of_something_later_is_that_of_an_outcome(name: str) -> None:
    definition, text = drafted(**{name: DRAW.normal(size=NUM_ROWS)})
    assert definition.never_features == (name,)
    assert f"- {name}   # check: sounds like something known only afterwards" in text


def test_few_values_beside_a_label_are_no_sign_of_it() -> None:
    """Two of the four values that are known are in rows with a 1, whose numbers are the highest."""
    ones, zeros = np.flatnonzero(CLICK == 1)[:2], np.flatnonzero(CLICK == 0)[:2]
    values: list[float | None] = [None] * NUM_ROWS
    for number, row in enumerate([*zeros, *ones]):
        values[row] = number / 3
    definition, _ = drafted(sparse=values)
    assert definition.never_features == ()


def _with_area(share: float) -> np.ndarray:
    """Normal numbers whose AUC for the label is that, with the ranks of a large sample."""
    draw, normal = np.random.default_rng(3), NormalDist()
    numbers = np.empty(NUM_ROWS)
    for label in (0, 1):
        rows = draw.permutation(np.flatnonzero(label == CLICK))
        levels = (np.arange(rows.size) + 0.5) / rows.size
        numbers[rows] = [normal.inv_cdf(level) for level in levels]
    return numbers + CLICK * normal.inv_cdf(share) * 2**0.5


def test_features_that_only_help_stay() -> None:
    definition, _ = drafted(shift=DRAW.normal(size=NUM_ROWS) + CLICK)
    assert definition.never_features == ()
    assert {"age", "shift"} <= set(definition.features.numeric)


def scenarios(*positives: tuple[int, ...]) -> list[ScenarioRows]:
    return [ScenarioRows(str(number), 1_000, counts) for number, counts in enumerate(positives)]


def test_a_rare_label_does_not_cost_the_scenarios_that_lack_it() -> None:
    assert frequent_labels(scenarios((500, 40), (500, 2), (500, 1)), (0, 1)) == (0,)


def test_a_label_is_taken_where_that_makes_more_cells() -> None:
    assert frequent_labels(scenarios((500, 40), (500, 40), (500, 1)), (0, 1)) == (0, 1)
    assert frequent_labels(scenarios((500, 40), (500, 1)), (0, 1)) == (0,)


def test_no_label_is_taken_that_no_scenario_has() -> None:
    assert frequent_labels(scenarios((0, 1000), (5, 2)), (0, 1)) == ()


@pytest.mark.parametrize("seed", range(20))
def test_one_more_label_never_makes_more_cells(seed: int) -> None:
    draw = np.random.default_rng(seed)
    rows = scenarios(*[tuple(draw.choice([0, 100], 4)) for _ in range(5)])
    chosen = frequent_labels(rows, range(4))

    def cells(labels: tuple[int, ...]) -> int:
        return sum(row.num_cells(labels) for row in rows)

    assert all(
        cells((*chosen, label)) <= cells(chosen) for label in range(4) if label not in chosen
    )


@pytest.mark.parametrize("values", [FLAG, FLAG == 1, np.where(FLAG == 1, "yes", "no")])
def test_one_whose_name_says_nothing_is_neither_task_nor_feature(values: object) -> None:
    definition, text = drafted(user_id=USER, y2=values)
    assert list(definition.tasks) == ["click"]
    assert definition.never_features == ("y2",)
    assert "a label, or known before? make it a task, or list it as a feature" in text


def test_an_attribute_of_the_user_is_a_feature_whatever_its_name() -> None:
    definition, _ = drafted(user_id=USER, registered=FLAG[USER], y2=FLAG[USER])
    assert list(definition.tasks) == ["click"]
    assert {"registered", "y2"} <= set(definition.features.numeric)


def test_users_of_one_row_each_show_no_attribute() -> None:
    definition, _ = drafted(user_id=np.arange(NUM_ROWS), y2=FLAG)
    assert definition.never_features == ("y2",)


def test_a_rare_event_is_no_attribute_of_users_that_mostly_lack_it() -> None:
    definition, _ = drafted(user_id=USER, y2=(DRAW.random(NUM_ROWS) < 0.02).astype(int))
    assert definition.never_features == ("y2",)


def test_one_that_is_named_as_known_before_is_a_feature_to_check() -> None:
    definition, text = drafted(user_id=USER, is_weekend=FLAG)
    assert "is_weekend" in definition.features.numeric
    assert "is_weekend   # check: 0 and 1" in text


def test_the_last_feature_stays_and_a_category_may_be_the_last() -> None:
    columns = TABLE.select("channel", "is_click").with_columns(y2=FLAG)
    assert guessing.drafted(columns)[0].features.numeric == ("y2",)
    definition, _ = guessing.drafted(columns.with_columns(user_id=USER))
    assert (definition.features.categorical, definition.never_features) == (("user_id",), ("y2",))


def test_once_tasks_are_named_a_column_of_yes_and_no_is_a_feature_with_a_doubt() -> None:
    table = TABLE.with_columns(paperless=pl.Series(FLAG))
    definition, text = guessing.drafted(table, "is_click")
    assert "paperless" in definition.features.numeric
    assert "- paperless   # check: 0 and 1, 30 % of rows; known before? else list it" in text
    assert "paperless" in guessing.drafted(table)[0].never_features
