"""Within groups: gains split by groups against loops over pairs, and arms compared inside groups."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from hinet_search.data.columns import Columns
from hinet_search.results.cells import make_cells
from hinet_search.results.contrasts import contrasts
from hinet_search.results.records import CellValue, FinalistRun, FinalistSummary
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.within_groups import group_gains, own_values, values_within
from hinet_search.training.metrics import cell_values
from tests.duels import arm_named, chosen_of, meeting, with_chosen, with_resampled
from tests.results.verdict_cases import at

RANKED = ("rank_auc", "between_auc")
CELLS = make_cells(("Home",), ("click",))
FLAT = (0.7,) * 200


def rows_of(draw: np.random.Generator) -> Columns:
    """Rows of groups of one to four rows; one in ten is in none."""
    count = 120
    group_R = np.sort(draw.integers(40, size=count)).astype(np.int32)
    group_R[draw.random(count) < 0.1] = -1
    return Columns(
        ids_RF=np.zeros((count, 0), np.int32),
        numeric_RN=np.zeros((count, 0), np.float32),
        scenario_R=np.zeros(count, np.int16),
        labels_RT=(draw.random((count, 1)) < 0.4).astype(np.uint8),
        user_R=np.maximum(group_R, 0) // 2,
        lists_RS=np.zeros((count, 0), np.int32),
        group_R=group_R,
    )


def auc_of_pairs(score_R: NDArray[np.float32], label_R: NDArray[np.uint8]) -> float:
    """The share of pairs of a one and a zero in the right order."""
    ones, zeros = score_R[label_R == 1].tolist(), score_R[label_R == 0].tolist()
    won = [(one > zero) + (one == zero) / 2 for one, zero in product(ones, zeros)]
    return sum(won) / len(won)


def means_of_groups(score_R: NDArray[np.float32], rows: Columns) -> NDArray[np.float32]:
    """Each score replaced by the mean of its group."""
    assert rows.group_R is not None
    means_R = score_R.copy()
    for group in set(rows.group_R.tolist()) - {-1}:
        means_R[rows.group_R == group] = np.float32(score_R[rows.group_R == group].mean())
    return means_R


def with_cells(
    record: StudyRecord, arm: str, of_seeds: Sequence[tuple[CellValue, ...]]
) -> StudyRecord:
    runs = chosen_of(record, arm).runs
    opened = tuple(replace(run, test_cells=of_seeds[place]) for place, run in enumerate(runs))
    return with_chosen(record, arm, runs=opened)


@pytest.mark.parametrize("seed", range(20))
def test_the_parts_of_a_gain_are_those_of_loops_over_pairs_and_sum_to_it(seed: int) -> None:
    """Scores in quarters have many ties, in groups and between them, and exact sums."""
    draw = np.random.default_rng(seed)
    rows = rows_of(draw)
    record = meeting(ple=at(0.7), hinet=at(0.72))
    gains = {"hinet": [], "ple": []}
    for arm, of_arm in gains.items():
        cells = []
        for _ in range(5):
            score_R = (draw.normal(size=120) + rows.labels_RT[:, 0]).astype(np.float32)
            score_R = (4 * score_R).round() / 4
            between = auc_of_pairs(means_of_groups(score_R, rows), rows.labels_RT[:, 0])
            of_arm.append((auc_of_pairs(score_R, rows.labels_RT[:, 0]), between))
            cells.append(cell_values(score_R[:, None], rows, CELLS, further=RANKED))
        record = with_cells(record, arm, cells)
    (split,) = tuple(group_gains(record))
    gain, between = np.mean(gains["hinet"], axis=0) - np.mean(gains["ple"], axis=0)
    assert split.gain == pytest.approx(gain, abs=1e-12)
    assert split.between == pytest.approx(between, abs=1e-12)
    assert split.between + split.within == pytest.approx(split.gain, abs=1e-15)


def ranked(**levels: tuple[float, float]) -> StudyRecord:
    """Arms with a level of AUC and one within groups, that users do not vary."""
    record = meeting(**{name: at(auc) for name, (auc, _) in levels.items()})
    for name, (_, within) in levels.items():
        record = with_resampled(record, name, FLAT, (FLAT,))
        record = with_within(record, name, at(within), FLAT)
    return record


def with_within(
    record: StudyRecord, arm: str, values: list[float], drawn: tuple[float, ...]
) -> StudyRecord:
    def cell(value: CellValue, seed: int) -> CellValue:
        further = {"rank_auc": values[seed], "between_auc": (value.auc or 0.0) - 0.1}
        return replace(value, further=further)

    def opened(run: FinalistRun) -> FinalistRun:
        cells = tuple(cell(each, run.seed) for each in run.test_cells or ())
        return replace(run, test_cells=cells)

    finalist = chosen_of(record, arm)
    summary = finalist.summary
    assert isinstance(summary, FinalistSummary)
    resampled = replace(summary.resampled, within=drawn, within_alone=drawn, headline_alone=FLAT)
    runs = tuple(map(opened, finalist.runs))
    return with_chosen(record, arm, runs=runs, summary=replace(summary, resampled=resampled))


def test_an_arm_ahead_overall_is_shown_to_be_worse_within_groups() -> None:
    record = ranked(ple=(0.70, 0.60), hinet=(0.72, 0.58))
    (contrast,) = contrasts(record, values_within)
    assert (contrast.arm, contrast.mark) == ("ple", "worse")
    assert contrast.mean == pytest.approx(-0.02)


def test_users_that_vary_hide_a_difference_within_groups() -> None:
    record = ranked(ple=(0.70, 0.60), hinet=(0.72, 0.58))
    swing = tuple(0.6 + 0.02 * (-1) ** number for number in range(200))
    record = with_within(record, "hinet", at(0.58), swing)
    assert contrasts(record, values_within)[0].mark == "unclear"


def test_a_model_that_was_chosen_among_all_arms_is_judged_among_all_pairs() -> None:
    record = ranked(star=(0.7, 0.6), ple=(0.7, 0.6), hinet=(0.72, 0.6))
    of_focus = contrasts(record, values_within)
    of_model = contrasts(record, values_within, arm_named(record, "ple"))
    assert [each.arm for each in of_model] == ["star", "hinet"]
    assert (of_focus[0].family, of_model[0].family) == (2, 3)


def test_without_resamplings_within_groups_nothing_is_claimed_of_them() -> None:
    record = ranked(ple=(0.70, 0.60), hinet=(0.72, 0.58))
    record = with_within(record, "hinet", at(0.58), ())
    assert contrasts(record, values_within)[0].lacks == "users not counted"
    assert own_values(record, record.arms[1]) is None


def test_an_arm_alone_has_an_interval_of_its_seeds_and_users() -> None:
    record = ranked(ple=(0.70, 0.60), hinet=(0.72, 0.58))
    swing = tuple(0.6 + 0.01 * (-1) ** number for number in range(200))
    record = with_within(record, "hinet", at(0.58), swing)
    own = own_values(record, record.arms[1])
    assert own is not None
    assert own[1].mean == pytest.approx(np.mean(at(0.58)))
    assert own[1].user_error == pytest.approx(0.01, rel=0.01)
    spread = np.std(values_within(record, record.arms[1]).values, ddof=1)
    assert own[1].seed_error >= spread / 5**0.5  # with selection bias
    assert own[0].user_error == pytest.approx(0.0, abs=1e-12)


def test_without_groups_no_gain_is_split() -> None:
    record = meeting(ple=at(0.7), hinet=at(0.72))
    assert tuple(group_gains(record)) == ()


def test_a_loss_has_no_split() -> None:
    record = replace(
        ranked(ple=(0.7, 0.6), hinet=(0.72, 0.58)), objective="logloss", maximize=False
    )
    assert tuple(group_gains(record)) == ()
