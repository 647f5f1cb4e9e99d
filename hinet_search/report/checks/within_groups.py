"""Within groups: whether the model to take orders the rows that are ranked together."""

from statistics import fmean

from hinet_search.report import numbers, record_facts
from hinet_search.report.checks import Finding, passed, warning
from hinet_search.report.comparisons import counted
from hinet_search.results.contrasts import claims, contrasts
from hinet_search.results.decision import decision
from hinet_search.results.finalist_values import by_seed, chosen, values_by
from hinet_search.results.objectives import WITHIN_GROUPS
from hinet_search.results.records import ArmRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title, titles, verdict
from hinet_search.results.within_groups import values_within

ORDER = 92
CHANCE = 0.5


def check(record: StudyRecord) -> Finding | None:
    """Warn of a model whose AUC within groups is at most chance, or shown to be lower.

    It is the model to take, or the focus while there is none or it is an ensemble.
    """
    taken = decision(record, verdict(record)).taken
    models = [arm for arm in record.arms_and_students if taken and arm.name == taken.name]
    model = models[0] if models else record_facts.focus_of(record)
    own = _reached(model) if model else None
    if model is None or own is None:
        return None
    name = title(model.name)
    value = numbers.metric(own)
    if own <= CHANCE:
        return warning(
            f"This {name} orders the rows of a group no better than chance: AUC {value}.",
            ["A list of one group's rows would be in no useful order, whatever the other metrics."],
            remedy="Leave out what is counted inside groups (rank.as_of: group), add inputs of "
            "the item, or take rank_auc as the objective.",
        )
    better = claims(contrasts(record, values_within, model), "worse")
    if not better:
        return passed(f"This {name} orders the rows of a group: AUC {value} within groups.")
    gains = [
        f"Against {title(contrast.arm)}: {numbers.gain(contrast.mean)} AUC within groups on test "
        f"({counted(contrast)})."
        for contrast in better
    ]
    return warning(
        f"This {name} orders the rows of a group worse than {titles(each.arm for each in better)}.",
        gains,
        remedy="For lists of one group's rows, take rank_auc as the objective, or as a further one "
        "(`objectives`). The verdict is about the study's own objective.",
    )


def _reached(arm: ArmRecord) -> float | None:
    """Return the mean over seeds on test, before that on validation."""
    for split in ("test", "valid"):
        values = by_seed(chosen(arm), split, values_by(WITHIN_GROUPS))
        if values:
            return fmean(values.values())
    return None
