"""Within groups: whether the focus arm orders the rows that are ranked together."""

from statistics import fmean

from hinet_search.report import numbers, record_facts
from hinet_search.report.checks import Finding, passed, warning
from hinet_search.results.finalist_values import WITHIN_GROUPS, by_seed, chosen, values_by
from hinet_search.results.records import ArmRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 92
CHANCE = 0.5


def check(record: StudyRecord) -> Finding | None:
    """Warn of a focus arm whose mean AUC within groups is at most that of chance."""
    focus = record_facts.focus_of(record)
    own = _reached(focus) if focus else None
    if focus is None or own is None:
        return None
    name = title(focus.name)
    value = numbers.metric(own)
    if own <= CHANCE:
        return warning(
            f"This {name} orders the rows of a group no better than chance: AUC {value}.",
            ["A list of one group's rows would be in no useful order, whatever the other metrics."],
            remedy="Leave out what is counted inside groups (rank.as_of: group), add inputs of "
            "the item, or take rank_auc as the objective.",
        )
    return passed(f"This {name} orders the rows of a group: AUC {value} within groups.")


def _reached(arm: ArmRecord) -> float | None:
    """Return the mean over seeds on test, before that on validation."""
    for split in ("test", "valid"):
        values = by_seed(chosen(arm), split, values_by(WITHIN_GROUPS))
        if values:
            return fmean(values.values())
    return None
