"""Copies: whether members of the ensemble or the teacher are one model counted twice."""

from hinet_search.report.checks import Finding, passed, warning
from hinet_search.results.ensemble_records import RunKey
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

ORDER = 142


def check(record: StudyRecord) -> Finding | None:
    """Warn of two members of an ensemble that score every validation row the same."""
    if not record.ensembles:
        return None
    details = []
    for ensemble in record.ensembles:
        members = {member.run for member in ensemble.members}
        for pair in ensemble.copies:
            if members.issuperset(pair):
                copies = " and ".join(_in_words(record, run) for run in pair)
                details.append(f"{ensemble.name.capitalize()}: {copies}.")
    if not details:
        return passed("No two members of an ensemble are copies of one another.")
    return warning(
        "Members of an ensemble are copies of one another.",
        details,
        remedy="A copy only adds weight and cost. See why the two trained alike: the same seed, or "
        "settings that change nothing.",
    )


def _in_words(record: StudyRecord, run: RunKey) -> str:
    return f"{title(run.arm)} trial {run.trial_number} seed {record.seed_number(run)}"
