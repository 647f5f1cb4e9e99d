"""Synthetic trainings that measure inputs, added to a synthetic study."""

from collections.abc import Mapping
from dataclasses import replace

from hinet_search.results.ablation import choose_inputs
from hinet_search.results.data_record import GROUPS, groups_without
from hinet_search.results.study_record import PairedRun, StudyRecord
from tests.report.studies import small

SIZES = {"statistics": 12, "lists": 2, "matches": 9, "place": 1}
FULL = 0.70
SPREAD = (-0.0004, 0.0001, 0.0003)  # of the worth of a group over seeds


def measured() -> StudyRecord:
    """The small study: statistics help, matches perhaps; lists and place do not and were dropped."""
    worths = {"statistics": 0.0310, "matches": 0.0003, "lists": -0.0002, "place": -0.0011}
    return with_inputs(small(), worths, together=-0.0009)


def with_inputs(
    record: StudyRecord, worths: Mapping[str, float], together: float = 0.0, *, follow: bool = True
) -> StudyRecord:
    """Measure groups of inputs with three seeds; all arms follow the choice, or none does.

    `together` is what the groups of small worth are worth, if they are several.
    """
    sign = 1.0 if record.maximize else -1.0

    def without(left_out: tuple[str, ...], worth: float) -> list[PairedRun]:
        return [
            PairedRun("ple", left_out, seed, FULL - sign * (worth + spread))
            for seed, spread in enumerate(SPREAD)
        ]

    runs = [PairedRun("ple", (), seed, FULL) for seed in range(len(SPREAD))]
    runs += [run for group, worth in worths.items() for run in without((group,), worth)]
    choice = choose_inputs(runs, record.objective, record.budget.margin)
    if len(choice.small) > 1:
        runs += without(choice.small, together)
        choice = choose_inputs(runs, record.objective, record.budget.margin)
    sizes = {group: SIZES[group] for group in worths}
    fixed = {GROUPS: groups_without(choice.dropped, tuple(sizes))} if follow else {}
    arms = tuple(replace(arm, fixed={**arm.fixed, **fixed}) for arm in record.arms)
    data = replace(record.data, groups=sizes)
    return replace(record, arms=arms, data=data, paired_runs=tuple(runs))
