"""Inputs that shift from train to test, and inputs that know the labels of training rows."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables import prepared, shop

from hinet_search.data.derived.statistics import clocked_statistics
from hinet_search.data.inspect.shifts import (
    MAX_ROWS,
    ClockedInputs,
    Drop,
    SplitSample,
    distance,
    drops,
    sampled,
    shift_warnings,
    shifts,
)
from hinet_search.study.statistics_definition import StatisticsDefinition

FEW = st.lists(st.integers(0, 4), min_size=1, max_size=12)
DRAW = np.random.default_rng(0)


def column(values: np.ndarray) -> np.ndarray:
    return np.asarray(values, dtype=np.float32)[:, None]


@given(FEW, FEW)
def test_a_distance_is_the_largest_difference_of_shares_below_a_value(
    left: list[int], right: list[int]
) -> None:
    shares = [
        abs(np.mean([x <= value for x in left]) - np.mean([x <= value for x in right]))
        for value in range(5)
    ]
    got = distance(np.array(left, dtype=np.float32), np.array(right, dtype=np.float32))
    assert got == pytest.approx(max(shares))


def test_equal_distributions_do_not_shift() -> None:
    train_RN, test_RN = column(DRAW.normal(size=3000)), column(DRAW.normal(size=1000))
    assert shifts(["price"], train_RN, test_RN) == []


def test_inputs_that_shift_are_named_the_farthest_first() -> None:
    train_RN = DRAW.normal(size=(3000, 3)).astype(np.float32)
    test_RN = DRAW.normal(size=(1000, 3)).astype(np.float32) + np.array([1, 0, 99], np.float32)
    far, near = shifts(["rows", "price", "day"], train_RN, test_RN)
    assert (far.name, far.apart, far.beyond) == ("day", 1.0, 1.0)
    assert (near.name, near.apart) == ("rows", pytest.approx(0.38, abs=0.05))


def test_few_rows_are_not_compared() -> None:
    assert shifts(["day"], column(np.zeros(99)), column(np.ones(5000))) == []


def labelled(signal: float, num_rows: int, positive: float = 0.5) -> SplitSample:
    """Return an input that is higher by `signal` where the label is 1."""
    labels_R = (DRAW.random(num_rows) < positive).astype(np.uint8)
    return SplitSample(column(DRAW.normal(size=num_rows) + signal * labels_R), labels_R[:, None])


def test_an_auc_that_is_much_higher_on_train_is_told() -> None:
    (drop,) = drops(["rate"], ["click"], labelled(2.0, 4000), labelled(0.2, 4000))
    assert (drop.name, drop.task) == ("rate", "click")
    assert drop.train == pytest.approx(0.92, abs=0.02)
    assert drop.valid == pytest.approx(0.56, abs=0.03)


def test_an_auc_below_a_half_counts_by_its_distance() -> None:
    (drop,) = drops(["rate"], ["click"], labelled(-2.0, 4000), labelled(-0.2, 4000))
    assert drop.train < drop.valid < 0.5
    assert drops(["rate"], ["click"], labelled(-0.2, 4000), labelled(-2.0, 4000)) == []


@pytest.mark.parametrize(
    ("train", "valid"),
    [
        (labelled(1.0, 4000), labelled(0.9, 4000)),  # hardly a drop
        (labelled(1.0, 4000), labelled(2.0, 4000)),  # a rise
        (labelled(1.5, 4000), labelled(0.5, 4000, positive=0.003)),  # few positives
        (labelled(1.5, 4000), labelled(0.0, 4000, positive=0.0)),  # one class
    ],
)
def test_other_differences_are_not_told(train: SplitSample, valid: SplitSample) -> None:
    assert drops(["rate"], ["click"], train, valid) == []


def test_the_task_of_the_largest_drop_is_named() -> None:
    train, valid = labelled(2.0, 4000), labelled(0.2, 4000)
    noise = DRAW.integers(0, 2, (4000, 1)).astype(np.uint8)
    both = [
        SplitSample(each.numeric_RN, np.concatenate([noise, each.labels_RT], axis=1))
        for each in (train, valid)
    ]
    (drop,) = drops(["rate"], ["noise", "click"], *both)
    assert drop.task == "click"


def test_warnings_say_figures_and_what_to_do() -> None:
    train, valid = labelled(2.0, 4000), labelled(0.0, 4000)
    (drop,) = drops(["rate"], ["click"], train, valid)
    moved, leaky = shift_warnings(["rate"], ["click"], train, valid, train.numeric_RN + 1000)
    assert moved == (
        "the values of test rows are not those of train rows in rate (distributions 1.00 apart, "
        "100 % beyond train's range). Numbers that grow with time say little of later rows: take a "
        "difference or a share instead, or leave them out"
    )
    assert isinstance(drop, Drop)
    assert leaky == (
        f"rate alone has AUC {f'{drop.train:.2f}'[1:]} for click on train and "
        f"{f'{drop.valid:.2f}'[1:]} on valid: it may be made of the labels of its own row; count "
        "only labels of earlier days, or leave it out"
    )


def test_of_many_inputs_that_shift_some_are_named() -> None:
    train_RN = DRAW.normal(size=(200, 7)).astype(np.float32)
    valid = SplitSample(train_RN, np.zeros((200, 1), np.uint8))
    (warning,) = shift_warnings([f"x{n}" for n in range(7)], ["click"], valid, valid, train_RN + 9)
    assert (
        "x4 (distributions 1.00 apart, 100 % beyond train's range) and 2 more inputs. " in warning
    )


@pytest.mark.parametrize("num_rows", [0, 1, MAX_ROWS, MAX_ROWS + 1, 7 * MAX_ROWS])
def test_a_sample_is_spread_over_all_rows_and_has_a_limit(num_rows: int) -> None:
    rows = np.arange(num_rows)[sampled(num_rows)]
    assert rows.size <= MAX_ROWS
    assert rows.size >= min(num_rows, MAX_ROWS // 2)
    assert len(set(np.diff(rows))) <= 1


def test_what_grows_by_nature_is_not_told_to_shift() -> None:
    split = labelled(0.0, 1000)
    moved_RN = split.numeric_RN + 1000
    assert len(shift_warnings(["rows"], ["click"], split, split, moved_RN)) == 1
    assert (
        shift_warnings(["rows"], ["click"], split, split, moved_RN, ClockedInputs(["rows"])) == []
    )


def test_counts_of_other_folds_are_not_told_to_be_larger_on_test(tmp_path: Path) -> None:
    shelf = pl.Series("shelf", np.random.default_rng(1).integers(0, 50, 4000))
    features = {"categorical": ["item"], "statistics": {"by": ["shelf"]}}
    split = {"by": "random", "valid": 0.15, "test": 0.15}
    rows = prepared(shop(4000).with_columns(shelf), tmp_path, features=features, split=split)
    assert rows.record.warnings == ()


def test_the_data_warn_of_a_column_that_grows(tmp_path: Path) -> None:
    features = {"categorical": ["item"], "numeric": ["price", "minute"]}
    (warning,) = prepared(shop(2000), tmp_path, features=features).record.warnings
    assert warning.startswith(
        "the values of test rows are not those of train rows in minute (distributions 1.00 apart, "
        "100 % beyond train's range). "
    )


def test_the_data_warn_of_a_number_made_of_labels_of_train(tmp_path: Path) -> None:
    noise = pl.Series(np.random.default_rng(1).normal(size=600))
    is_train = pl.col("part") == "train"
    leak = noise + pl.when(is_train).then(3 * pl.col("click")).otherwise(1.5)
    features = {"categorical": ["item"], "numeric": ["price", "leak"]}
    frame = shop().with_columns(leak.alias("leak"))
    (warning,) = prepared(frame, tmp_path, features=features).record.warnings
    assert warning.startswith("leak alone has AUC .9")
    assert "on train and ." in warning


def test_statistics_of_a_clock_are_not_told_to_count_earlier_days_which_they_do() -> None:
    train, valid = labelled(2.0, 4000), labelled(0.2, 4000)
    test_RN = train.numeric_RN
    (own,) = shift_warnings(["rate"], ["click"], train, valid, test_RN)
    (clocked,) = shift_warnings(
        ["rate"], ["click"], train, valid, test_RN, ClockedInputs((), ["rate"])
    )
    assert own.endswith("count only labels of earlier days, or leave it out")
    assert "it counts labels of earlier days, which say less of these later ones" in clocked
    assert clocked.endswith("if production counts anew every day, say so with refresh: day")


def test_statistics_that_are_counted_anew_are_told_of_no_drop() -> None:
    train, valid = labelled(2.0, 4000), labelled(0.2, 4000)
    fresh = ClockedInputs(fresh=["rate"])
    assert not shift_warnings(["rate"], ["click"], train, valid, train.numeric_RN, fresh)


def test_all_statistics_of_a_clock_are_of_earlier_days_and_none_without_one() -> None:
    by_clock = StatisticsDefinition(by=("user",), clock="day")
    assert clocked_statistics(by_clock, ["click"]) == ("user rows", "user click rate")
    assert clocked_statistics(StatisticsDefinition(by=("user",)), ["click"]) == ()
    assert clocked_statistics(None, ["click"]) == ()
