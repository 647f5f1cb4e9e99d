"""data init takes features away whose values betray that they are known only after the row."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from hinet_search.data.frequent import ScenarioRows, frequent_labels
from hinet_search.data.guess.write_definition import write_draft
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.yaml_file import read

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


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def drafted(**columns: np.ndarray) -> tuple[DataDefinition, str]:
    """The definition of the table with further columns, and its text."""
    TABLE.with_columns(pl.Series(name, values) for name, values in columns.items()).write_parquet(
        "rows.parquet"
    )
    definition, _ = write_draft(Path("rows.parquet"), None, force=True).files
    return read(definition).parse(DataDefinition), definition.read_text()


def test_a_number_that_orders_rows_as_a_label_does_is_an_outcome() -> None:
    watched = np.where(CLICK == 1, 10.0, 0.0) + DRAW.random(NUM_ROWS)
    definition, text = drafted(seconds=watched)
    assert definition.never_features == ("seconds",)
    assert "- seconds   # check: alone it has AUC 1.00 for is_click; an outcome?" in text


def test_so_is_a_number_that_falls_where_a_label_is_a_one() -> None:
    definition, _ = drafted(left=-np.where(CLICK == 1, 10.0, 0.0) - DRAW.random(NUM_ROWS))
    assert definition.never_features == ("left",)


def test_a_later_step_of_the_funnel_is_an_outcome() -> None:
    definition, text = drafted(finished=ORDER)
    assert definition.never_features == ("finished",)
    assert "is_click in 100 % of rows with 1" in text


def test_a_step_of_the_funnel_may_be_written_as_yes_and_no() -> None:
    definition, text = drafted(finished=np.where(ORDER == 1, "yes", "no"))
    assert definition.never_features == ("finished",)
    assert "is_click in 100 % of rows with yes" in text


def test_an_earlier_step_of_the_funnel_is_an_outcome() -> None:
    opened = np.maximum(CLICK, DRAW.random(NUM_ROWS) < 0.2).astype(int)
    definition, text = drafted(opened=opened)
    assert definition.never_features == ("opened",)
    assert "1 in 100 % of rows with is_click" in text


def test_a_number_as_text_is_judged_as_a_number() -> None:
    watched = np.where(CLICK == 1, 10.0, 0.0) + DRAW.random(NUM_ROWS)
    definition, _ = drafted(seconds=watched.round(3).astype(str))
    assert definition.never_features == ("seconds",)


def test_a_user_of_two_values_is_no_outcome() -> None:
    definition, _ = drafted(user_id=ORDER)
    assert (definition.user, definition.never_features) == ("user_id", ())


def test_what_nearly_every_row_has_is_no_outcome() -> None:
    definition, _ = drafted(known=np.maximum(CLICK, DRAW.random(NUM_ROWS) < 0.9).astype(int))
    assert "known" in definition.features.numeric


def test_features_that_only_help_stay() -> None:
    definition, _ = drafted(shift=DRAW.normal(size=NUM_ROWS) + CLICK)
    assert definition.never_features == ()
    assert {"age", "shift"} <= set(definition.features.numeric)


def scenarios(*positives: tuple[int, ...]) -> list[ScenarioRows]:
    return [ScenarioRows(str(number), 1_000, counts) for number, counts in enumerate(positives)]


def test_a_rare_label_does_not_cost_the_scenarios_that_lack_it() -> None:
    assert frequent_labels(scenarios((500, 40), (500, 2), (500, 1)), 2) == (0,)


def test_a_label_is_taken_where_that_makes_more_cells() -> None:
    assert frequent_labels(scenarios((500, 40), (500, 40), (500, 1)), 2) == (0, 1)
    assert frequent_labels(scenarios((500, 40), (500, 1)), 2) == (0,)


def test_no_label_is_taken_that_no_scenario_has() -> None:
    assert frequent_labels(scenarios((0, 1000), (5, 2)), 2) == ()


@pytest.mark.parametrize("seed", range(20))
def test_one_more_label_never_makes_more_cells(seed: int) -> None:
    draw = np.random.default_rng(seed)
    rows = scenarios(*[tuple(draw.choice([0, 100], 4)) for _ in range(5)])
    chosen = frequent_labels(rows, 4)

    def cells(labels: tuple[int, ...]) -> int:
        return sum(row.num_cells(labels) for row in rows)

    assert all(
        cells((*chosen, label)) <= cells(chosen) for label in range(4) if label not in chosen
    )
