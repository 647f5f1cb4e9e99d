"""Copies: whether members of the ensemble or the teacher are one model counted twice."""

from hinet_search.report.finding import Finding, passed, warning
from hinet_search.results.ensemble_records import EnsembleRecord, RunKey
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 142


def check(record: StudyRecord) -> Finding | None:
    """Warn of two members of an ensemble that score every validation row the same."""
    if not record.ensembles:
        return None
    details = [
        f"{ensemble.name.capitalize()}: {_in_words(left)} and {_in_words(right)}."
        for ensemble in record.ensembles
        for left, right in _copied_members(ensemble)
    ]
    if not details:
        return passed("No two members of an ensemble are copies of one another.")
    return warning(
        "Members of an ensemble are copies of one another.",
        details,
        remedy="A copy only adds weight and cost. See why the two trained alike: the same seed, or "
        "settings that change nothing, such as `finalists.shared_batches` without dropout.",
    )


def _copied_members(ensemble: EnsembleRecord) -> list[tuple[RunKey, RunKey]]:
    members = {member.run for member in ensemble.members}
    return [pair for pair in ensemble.copies if members.issuperset(pair)]


def _in_words(run: RunKey) -> str:
    return f"{title(run.arm)} trial {run.trial_number} seed {run.seed}"
