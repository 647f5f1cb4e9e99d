"""Users: whether the verdict's intervals count the variation over users, besides seeds."""

from hinet_search.report import numbers, record_facts
from hinet_search.report.checks import Finding, passed, warning
from hinet_search.results.finalist_values import is_fully_tested
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import in_words, title

ORDER = 91


def check(record: StudyRecord) -> Finding | None:
    """Warn of finalists evaluated on test without resamplings of its users, or of rows instead."""
    opened = []
    lacking = []
    for arm, finalist in record_facts.finalists(record):
        if is_fully_tested(arm) and finalist.summary is not None:
            opened.append(finalist.summary.resampled)
        elif is_fully_tested(arm):
            lacking.append(title(arm.name))
    if lacking:
        return warning(
            f"Users are not counted for {in_words(lacking)}.",
            ["A verdict from seeds alone is wrong too often: it is an observation, not a claim."],
            remedy="Launch the study again: it computes what is missing.",
        )
    if not opened:
        return None
    if opened[0].unit != "users":
        return warning(
            "Users are not known: the data definition names no user column.",
            ["Rows of one user are alike, so a difference is an observation, not a claim."],
            remedy="Name the column under `user`, or one that numbers the rows if each is of "
            "another user, and give the study another name.",
        )
    units = f"{numbers.compact(opened[0].num_units)} {opened[0].unit}"
    return passed(f"{units} of test counted for each of {numbers.plural(len(opened), 'arm')}.")
