"""Seeds: how many trainings each number of the verdict is based on."""

from hinet_search.report import numbers, record_facts
from hinet_search.report.checks import Finding, passed, warning
from hinet_search.results.statistics.welch import SEEDS_FOR_A_CLAIM
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import in_words, title

ORDER = 90


def check(record: StudyRecord) -> Finding | None:
    """Warn of finalists with fewer than five seeds; once test is used, only tested seeds count."""
    seeds = {}
    for arm, finalist in record_facts.finalists(record):
        opened = sum(run.test_cells is not None for run in finalist.runs)
        seeds[title(arm.name)] = opened or len(finalist.runs)
    if not seeds:
        return None
    fewest = min(seeds.values())
    if fewest >= SEEDS_FOR_A_CLAIM:
        return passed(f"{fewest} seeds per finalist.")
    remedy = "See why these trainings are missing, then launch the study again."
    if record.budget.finalist_seeds < SEEDS_FOR_A_CLAIM:
        remedy = f"Set `finalists.seeds` to {SEEDS_FOR_A_CLAIM} or more."
    short = [name for name, count in seeds.items() if count < SEEDS_FOR_A_CLAIM]
    of = "per finalist" if len(short) == len(seeds) else f"of {in_words(short)}"
    return warning(
        f"Only {numbers.plural(fewest, 'seed')} {of}.",
        [f"Fewer than {SEEDS_FOR_A_CLAIM} give an observation, not a claim."],
        remedy=remedy,
    )
