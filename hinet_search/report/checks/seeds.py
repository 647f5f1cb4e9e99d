"""Seeds: how many trainings stand behind every number of the verdict."""

from hinet_search.compare import SEEDS_FOR_A_CLAIM
from hinet_search.records import StudyRecord
from hinet_search.report import numbers, reading
from hinet_search.report.finding import Finding, passed, warning

ORDER = 90


def check(record: StudyRecord) -> Finding | None:
    """Warns of finalists with fewer than five."""
    seeds = [len(finalist.runs) for _, finalist in reading.finalists(record)]
    if not seeds:
        return None
    if min(seeds) >= SEEDS_FOR_A_CLAIM:
        return passed(f"{min(seeds)} seeds per finalist.")
    return warning(
        f"Only {numbers.plural(min(seeds), 'seed')} per finalist.",
        [f"Fewer than {SEEDS_FOR_A_CLAIM} give an observation, not a claim."],
        remedy=f"Set `finalists.seeds` to {SEEDS_FOR_A_CLAIM} or more.",
    )
