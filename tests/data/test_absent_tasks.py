"""Tasks that a scenario does not have: nothing of their column is read in its rows, and nothing counts them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from hinet_search.data.columns import SPLITS, Dataset
from hinet_search.data.derived.statistics import target_statistics
from hinet_search.data.inspect.describe import describe
from hinet_search.data.inspect.leaks import leak_suspects
from hinet_search.data.inspect.text import render
from hinet_search.data.rows import Rows
from hinet_search.study.statistics_definition import StatisticsDefinition
from tests.data.tables import definition, prepared, problems_of, rows_of, shop, some, write

ONLY_HOME: dict[str, Any] = {
    "click": {"column": "click"},
    "buy": {"column": "buy", "scenarios": ["home"]},
}
PLACES = {"column": "place", "values": {"home": "Home", "push": "Push"}}


def shop_without_buys(seed: int | None, num_rows: int = 600) -> pl.DataFrame:
    """The shop, where buys of push are null, or without meaning."""
    frame = shop(num_rows)
    buys = pl.Series([None] * num_rows, dtype=pl.Int8)
    if seed is not None:
        generator = np.random.default_rng(seed)
        buys = pl.Series(generator.choice([0, 1, 7], num_rows), dtype=pl.Int8)
    return frame.with_columns(buy=pl.when(pl.col("place") == "push").then(buys).otherwise("buy"))


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The shop in which only home has buys, with statistics of users."""
    return encoded(tmp_path_factory.mktemp("masked"), None)


def encoded(folder: Path, seed: int | None) -> Dataset:
    statistics = {"by": ["user"], "clock": "minute", "day_length": 60}
    features = {"categorical": ["user", "item"], "numeric": ["price"], "statistics": statistics}
    return prepared(shop_without_buys(seed), folder, tasks=ONLY_HOME, features=features)


def test_encoded_data_do_not_depend_on_what_stands_in_a_column_without_the_task(
    masked: Dataset, tmp_path: Path
) -> None:
    other = encoded(tmp_path, seed=1)
    for split in SPLITS:
        others = getattr(other, split).arrays
        for name, array in getattr(masked, split).arrays.items():
            assert np.array_equal(array, others[name]), name
    assert masked.record.cells == other.record.cells


def test_there_is_no_cell_of_an_absent_task(masked: Dataset) -> None:
    names = [("home", "click"), ("home", "buy"), ("push", "click")]
    assert [(cell.scenario, cell.task) for cell in masked.record.cells] == names
    assert [cell.name for cell in masked.full_schema.cells] == names
    assert masked.full_schema.has_task.tolist() == [[True, True], [True, False]]


def test_schemas_of_a_part_keep_the_absent_cells(masked: Dataset) -> None:
    assert masked.schema(minimum_frequency=3).absent_cells == (("push", "buy"),)
    of_push = replace(masked.full_schema, scenarios=("push",))
    assert [cell.name for cell in of_push.cells] == [("push", "click")]


def test_rows_without_a_task_are_not_the_test_rows_whose_label_is_0(tmp_path: Path) -> None:
    is_zero = (pl.col("place") == "push") & (pl.col("part") == "test")
    frame = shop().with_columns(buy=pl.when(is_zero).then(0).otherwise("buy"))
    hashes = []
    for number, tasks in enumerate((definition().tasks, ONLY_HOME)):
        folder = tmp_path / str(number)
        folder.mkdir()
        hashes.append(prepared(frame, folder, tasks=tasks).record.test_rows)
    with_zeros, without = hashes
    assert with_zeros.in_order != without.in_order
    assert with_zeros.by_identity != without.by_identity


def test_a_description_says_no_task_and_rates_of_the_rows_that_have_it(
    masked: Dataset, tmp_path: Path
) -> None:
    frame = shop_without_buys(None)
    write(frame, tmp_path)
    text = render(describe(definition(tasks=ONLY_HOME), masked, tmp_path))
    line = next(line for line in text.splitlines() if line.startswith("push"))
    assert line.count("no task") == 2  # its rate, and its positives on test
    rate = 100 * frame.filter(pl.col("place") == "home")["buy"].mean()
    assert f"buy {rate:.0f}" in text.replace("\u00a0", " ").splitlines()[0]


def test_a_leak_is_found_whatever_the_input_is_in_rows_without_the_task(masked: Dataset) -> None:
    train = masked.train
    number_R = np.where(train.scenario_R == 0, train.labels_RT[:, 1], np.arange(train.num_rows))
    numeric_RN = train.numeric_RN.copy()
    numeric_RN[:, 0] = number_R
    (leak,) = leak_suspects(replace(masked, train=replace(train, numeric_RN=numeric_RN)))
    assert (leak.feature, leak.task, leak.auc) == ("price", "buy", 1.0)


def test_missing_values_of_a_task_are_noted_where_rows_have_it(tmp_path: Path) -> None:
    frame = shop_without_buys(None).with_columns(
        buy=pl.when(pl.col("minute") % 50 == 0).then(None).otherwise("buy")
    )
    tasks = ONLY_HOME | {"buy": {"column": "buy", "equals": 1, "scenarios": ["home"]}}
    notes = prepared(frame, tmp_path, tasks=tasks).record.warnings
    missing = frame.filter((pl.col("place") == "home") & pl.col("buy").is_null())
    assert f"{len(missing)} rows have no 'buy' and count as not '1' (task buy)" in notes


BY_DAY = StatisticsDefinition(by=("user",), clock="day", smoothing=3.0)
BY_FOLD = StatisticsDefinition(by=("user",), smoothing=3.0, folds=3)


def drawn(seed: int = 0, num_rows: int = 120) -> Rows:
    """Rows of two scenarios; those of the second have no task 1, and labels 0 there."""
    generator = np.random.default_rng(seed)
    frame = pl.DataFrame(
        {"user": generator.integers(0, 4, num_rows), "day": generator.integers(0, 6, num_rows)}
    )
    scenario_R = generator.integers(0, 2, num_rows).astype(np.int16)
    has_task_MT = np.array([[True, True], [True, False]])
    labels_RT = (generator.random((num_rows, 2)) < 0.4) & has_task_MT[scenario_R]
    return rows_of(
        frame,
        labels_RT.astype(np.uint8),
        generator.choice(3, num_rows, p=(0.6, 0.2, 0.2)),
        scenarios=("home", "push"),
        scenario_R=scenario_R,
        has_task_MT=has_task_MT,
    )


def taken(rows: Rows, is_taken_R: np.ndarray) -> Rows:
    chosen = some(rows, np.flatnonzero(is_taken_R))
    return replace(chosen, has_task_MT=np.ones((2, 2), dtype=np.bool_))


@pytest.mark.parametrize("statistics", [BY_DAY, BY_FOLD], ids=["clock", "folds"])
def test_a_row_without_the_task_is_no_trial_of_it(statistics: StatisticsDefinition) -> None:
    rows, tasks = drawn(), ("click", "buy")
    is_home_R = rows.scenario_R == 0
    rate = target_statistics(statistics, rows, tasks)["user buy rate"].to_numpy()
    of_home = target_statistics(statistics, taken(rows, is_home_R), tasks)["user buy rate"]
    assert np.abs(of_home).max() > 0
    assert np.array_equal(rate[is_home_R], of_home.to_numpy())


def test_a_scenario_that_is_a_number_may_be_named_by_the_number(tmp_path: Path) -> None:
    numbered = shop().with_columns(place=pl.col("place").replace_strict({"home": 1, "push": 20}))
    tasks = {**ONLY_HOME, "buy": {"column": "buy", "scenarios": [1]}}
    assert prepared(numbered, tmp_path, tasks=tasks).full_schema.absent_cells == (("20", "buy"),)


@pytest.mark.parametrize(
    ("columns", "tasks"),
    [
        (
            {
                "buy": pl.when(pl.col("minute") == 4).then(None).otherwise("buy"),
                "place": pl.lit("home"),
            },
            ONLY_HOME,
        ),
        (
            {"buy": pl.lit(None, dtype=pl.Int8)},
            {"click": {"column": "click"}, "buy": {"column": "buy"}},
        ),
    ],
    ids=["missing in a scenario that has the task", "missing everywhere"],
)
def test_a_label_that_is_missing_elsewhere_names_no_scenarios_that_might_have_it(
    tmp_path: Path, columns: dict[str, pl.Expr], tasks: dict[str, Any]
) -> None:
    (problem,) = problems_of(shop_without_buys(None).with_columns(**columns), tmp_path, tasks=tasks)
    assert problem.startswith("data.tasks.buy: ")
    assert "got null (" in problem
    assert "it has no value where" not in problem
