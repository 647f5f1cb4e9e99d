"""Relative gains: the literature's shares, checked by hand and by their properties."""

from dataclasses import replace

import pytest

from hinet_search.results.cell_gains import (
    RelativeGains,
    cell_gains,
    over_reference,
    rela_impr,
    relative_gains,
)
from hinet_search.results.study_record import StudyRecord
from tests.duels import arm_named, with_test_aucs
from tests.report.arms import Shape
from tests.report.studies import study

CELLS = (("Home", "click"), ("Push", "click"))


def meeting(
    hinet: tuple[float, float], single: tuple[float, float], **changes: object
) -> StudyRecord:
    """HiNet and single models with these AUCs in two cells, the same for both seeds."""
    record = study(
        Shape(arms=("single", "hinet"), scenarios=("Home", "Push"), tasks=("click",), seeds=2),
        reference="single",
    )
    for arm, values in (("hinet", hinet), ("single", single)):
        record = with_test_aucs(
            record, arm, {cell: [value] * 2 for cell, value in zip(CELLS, values, strict=True)}
        )
    return replace(record, **changes)  # type: ignore[arg-type]  # types are the caller's


def found_in(record: StudyRecord) -> RelativeGains:
    return relative_gains(record, arm_named(record, "hinet"), arm_named(record, "single"))


def test_rela_impr_is_the_share_by_which_the_area_above_chance_grows() -> None:
    assert rela_impr(0.72, 0.70) == pytest.approx(0.1)
    assert rela_impr(0.60, 0.70) == pytest.approx(-0.5)


@pytest.mark.parametrize("base", [0.5, 0.4])
def test_there_is_no_rela_impr_over_a_model_that_is_not_above_chance(base: float) -> None:
    assert rela_impr(0.7, base) is None


def test_means_are_over_the_cells_by_hand() -> None:
    relative = found_in(meeting((0.72, 0.66), (0.70, 0.70)))
    assert [cell.rela_impr for cell in relative.cells] == pytest.approx([0.1, -0.2])
    assert relative.rela_impr == pytest.approx(-0.05)
    assert relative.multi_task_gain == pytest.approx((0.02 / 0.70 - 0.04 / 0.70) / 2)


def test_a_cell_over_chance_level_counts_for_the_multi_task_gain_alone() -> None:
    relative = found_in(meeting((0.72, 0.55), (0.70, 0.50)))
    assert relative.rela_impr == pytest.approx(0.1)
    assert relative.multi_task_gain == pytest.approx((0.02 / 0.70 + 0.05 / 0.50) / 2)


def test_less_log_loss_is_a_gain_and_has_no_rela_impr() -> None:
    record = meeting((0.7, 0.7), (0.7, 0.7), objective="logloss", maximize=False)
    relative = found_in(record)
    gains = cell_gains(record, arm_named(record, "hinet"), arm_named(record, "single"))
    assert relative.rela_impr is None
    signs = [cell.share is not None and cell.share > 0 for cell in relative.cells]
    assert signs == [cell.difference is not None and cell.difference.mean > 0 for cell in gains]


def test_nothing_is_gained_over_an_arm_by_itself_or_by_one_that_was_not_opened() -> None:
    record = meeting((0.72, 0.66), (0.70, 0.70))
    assert over_reference(record, arm_named(record, "single")) is None
    unopened = replace(arm_named(record, "hinet"), finalists=())
    gains = relative_gains(record, unopened, arm_named(record, "single"))
    assert (gains.rela_impr, gains.multi_task_gain) == (None, None)
