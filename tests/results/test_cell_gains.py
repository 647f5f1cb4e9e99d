"""Gains in every cell: errors of seeds and users, simultaneous intervals, and what is shown without one."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from hinet_search.results.cell_gains import CellDifference, cell_gains, seesaw
from hinet_search.results.statistics.paired_difference import Difference
from hinet_search.results.study_record import StudyRecord
from tests.duels import (
    NOISE,
    arm_named,
    with_resampled,
    with_seeds_opened,
    with_test_aucs,
    without_users,
)
from tests.report.arms import Shape
from tests.report.studies import study

CELLS = (("Home", "click"), ("Push", "click"))
FLAT = (0.7,) * 200


def two_cells(home: float, push: float) -> StudyRecord:
    """HiNet ahead of PLE by these in two cells of one task."""
    record = study(Shape(arms=("ple", "hinet"), scenarios=("Home", "Push"), tasks=("click",)))
    record = with_test_aucs(
        record, "ple", {cell: [0.7 + noise for noise in NOISE] for cell in CELLS}
    )
    gains = dict(zip(CELLS, (home, push), strict=True))
    return with_test_aucs(
        record, "hinet", {cell: [0.7 + gains[cell] + noise for noise in NOISE] for cell in CELLS}
    )


def found_in(record: StudyRecord) -> tuple[CellDifference, ...]:
    return cell_gains(record, arm_named(record, "hinet"), arm_named(record, "ple"))


def width(gain: CellDifference) -> float:
    assert gain.difference is not None
    return (gain.difference.high or 0) - (gain.difference.low or 0)


def users(spread: float, seed: int) -> tuple[float, ...]:
    return tuple((0.7 + spread * np.random.default_rng(seed).standard_normal(200)).tolist())


def with_users(record: StudyRecord, *cells: tuple[float, ...]) -> StudyRecord:
    """HiNet's cells move with the users, PLE's do not; an empty cell was too small to resample."""
    flat = tuple(FLAT if cell else () for cell in cells)
    return with_resampled(with_resampled(record, "hinet", FLAT, cells), "ple", FLAT, flat)


def test_gains_are_those_of_the_means_over_seeds() -> None:
    means = [cell.difference.mean for cell in found_in(two_cells(0.01, -0.02)) if cell.difference]
    assert means == pytest.approx([0.01, -0.02])


def test_without_resamplings_an_interval_is_bonferronis() -> None:
    gain = found_in(without_users(two_cells(0.01, 0.01)))[0]
    spread = np.std(NOISE, ddof=1) * (2 / 5) ** 0.5
    assert width(gain) == pytest.approx(
        2 * 2.7515236 * spread
    )  # t table at 0.9875 with 8 degrees of freedom


def test_the_users_of_a_cell_widen_its_interval_alone() -> None:
    record = two_cells(0.01, 0.01)
    home, push = found_in(with_users(record, users(0.01, 1), users(0.0, 2)))
    assert width(home) > 5 * width(push)


def test_cells_that_move_together_have_narrower_intervals_than_those_that_do_not() -> None:
    record = two_cells(0.01, 0.01)
    together = found_in(with_users(record, users(0.01, 1), users(0.01, 1)))
    apart = found_in(with_users(record, users(0.01, 1), users(0.01, 2)))
    assert width(together[0]) < 0.95 * width(apart[0])


def test_a_cell_too_small_to_resample_has_a_gain_without_an_interval_and_a_reason() -> None:
    home, push = found_in(with_users(two_cells(0.01, 0.5), users(0.001, 1), ()))
    assert push.difference is not None
    assert (push.difference.mean, push.difference.low, push.difference.mark) == (
        pytest.approx(0.5),
        None,
        "observation",
    )
    assert (home.reason, push.reason) == ("", "too few of one class to resample")


@pytest.mark.parametrize(
    ("change", "lacks"),
    [
        (lambda record: with_seeds_opened(record, "ple", 4), "4 of 5 seeds"),
        (lambda record: without_users(record, "hinet"), "users not counted"),
        (lambda record: replace(record, shared_batches=True), "one order of rows for all seeds"),
    ],
    ids=["seeds", "users", "order"],
)
def test_a_pair_that_lacks_something_claims_nothing_of_any_cell(
    change: Callable[[StudyRecord], StudyRecord], lacks: str
) -> None:
    differences = [cell.difference for cell in found_in(change(two_cells(0.05, -0.05)))]
    assert [
        (difference.mark, difference.lacks, difference.direction)
        for difference in differences
        if difference is not None
    ] == [
        ("observation", lacks, "better"),
        ("observation", lacks, "worse"),
    ]


def test_one_seed_gives_gains_without_intervals() -> None:
    record = study(Shape(arms=("ple", "hinet"), seeds=1))
    gains = cell_gains(record, arm_named(record, "hinet"), arm_named(record, "ple"))
    assert {(cell.reason, cell.difference and cell.difference.low) for cell in gains} == {
        ("one seed", None)
    }


def test_a_lower_loss_in_a_cell_is_a_gain() -> None:
    record = study(Shape(arms=("ple", "hinet"), objective="logloss"))
    assert all(cell.difference and cell.difference.mean > 0 for cell in found_in(record))


@pytest.mark.parametrize(
    ("means", "losing"), [((0.1, -0.1, -0.2), 2), ((-0.1, -0.2), 0), ((0.1, 0.2), 0), ((), 0)]
)
def test_a_seesaw_counts_the_cells_that_lose_while_another_gains(
    means: tuple[float, ...], losing: int
) -> None:
    cells = [CellDifference("a", "b", Difference(mean, None, None, None, 1)) for mean in means]
    assert seesaw([*cells, CellDifference("a", "b", None, "one class")]) == losing
