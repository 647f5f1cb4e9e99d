"""Columns that the scenario is made of: what `check` says of them."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tables import prepared, shop

from hinet_search.data.inspect.scenarios import ScenarioSource, scenario_source

DRAW = np.random.default_rng(0)
AGES = pl.Series("age", DRAW.integers(0, 7, 4000))
SCENARIO = pl.Series(np.digitize(AGES.to_numpy(), [2, 5]))  # 0 and 1, 2 to 4, 5 and 6


def with_wrong_rows(count: int) -> pl.Series:
    """Return the scenario with some rows moved to another one."""
    moved = SCENARIO.to_numpy().copy()
    moved[:count] = (moved[:count] + 1) % 3
    return pl.Series(moved)


def test_a_scenario_made_of_a_column_follows_from_its_values() -> None:
    assert scenario_source(AGES, SCENARIO) == ScenarioSource("age", 7, is_equal=False)


def test_a_scenario_under_other_names_is_equal() -> None:
    names = SCENARIO.replace_strict([0, 1, 2], ["old", "mid", "young"]).alias("group")
    assert scenario_source(names, SCENARIO) == ScenarioSource("group", 3, is_equal=True)


@pytest.mark.parametrize(("count", "follows"), [(3, True), (5, False)])
def test_less_than_a_thousandth_of_the_rows_may_be_elsewhere(count: int, *, follows: bool) -> None:
    assert (scenario_source(AGES, with_wrong_rows(count)) is not None) == follows


def test_a_scenario_follows_from_no_column_drawn_apart_from_it() -> None:
    assert scenario_source(pl.Series(DRAW.integers(0, 7, 4000)), SCENARIO) is None


def test_a_column_that_is_mostly_missing_explains_nothing() -> None:
    seldom = pl.select(pl.when(pl.lit(DRAW.random(4000) < 0.6)).then(None).otherwise(AGES))
    assert scenario_source(seldom.to_series(), SCENARIO) is None


def test_values_of_few_rows_are_in_one_scenario_by_chance() -> None:
    assert scenario_source(pl.Series(np.arange(4000) // 2), SCENARIO) is None


def test_a_column_explains_nothing_of_a_scenario_that_nearly_all_rows_have() -> None:
    one_large = pl.Series((np.arange(4000) == 7).astype(int))
    assert scenario_source(AGES, one_large) is None


def test_missing_values_do_not_count() -> None:
    some = pl.select(pl.when(pl.lit(np.arange(4000) % 5 > 0)).then(AGES)).to_series().alias("age")
    assert scenario_source(some, SCENARIO) == ScenarioSource("age", 7, is_equal=False)


def test_the_data_warn_of_columns_that_the_scenario_is_made_of(tmp_path: Path) -> None:
    is_home = pl.col("place") == "home"
    frame = shop().with_columns(
        group=pl.when(is_home).then(pl.lit("one")).otherwise(pl.lit("two")),
        age=pl.col("age") % 4 + pl.when(is_home).then(4).otherwise(0),
    )
    features = {"categorical": ["user", "item", "group"], "numeric": ["price", "age"]}
    warnings = prepared(frame, tmp_path, features=features).record.warnings
    assert warnings == (
        (
            "group is the scenario, perhaps under other names: models are told the scenario anyway, so "
            "it adds nothing; leave it out"
        ),
        (
            "the scenario follows from age (8 values): every value occurs in one scenario only. Models "
            "are told the scenario anyway. If it was made of such a column, leave the column out, or "
            "choose a scenario that says where a row was shown"
        ),
    )


def test_ordinary_data_have_no_warning(tmp_path: Path) -> None:
    assert prepared(shop(), tmp_path).record.warnings == ()
