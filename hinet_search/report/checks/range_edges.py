"""Range edges: best values at the end of what was searched."""

from hinet_search.compare import in_words, title
from hinet_search.records import StudyRecord
from hinet_search.report import numbers, reading
from hinet_search.report.finding import Finding, passed, warning

ORDER = 80


def check(record: StudyRecord) -> Finding | None:
    """Warns of every arm whose best configuration touches an end that could lie farther out."""
    if not any(arm.trials for arm in record.arms):
        return None
    edges = {title(arm.name): found for arm in record.arms if (found := reading.at_the_edge(record, arm))}
    if not edges:
        return passed("No best value lies at the edge of its range.")
    values = [
        f"{name}: {', '.join(f'{searched.name} = {numbers.setting(value)}' for searched, value, _ in found)}."
        for name, found in edges.items()
    ]
    have = "has its best value" if len(edges) == 1 else "have best values"
    return warning(
        f"{in_words(list(edges))} {have} at the edge of a range.",
        values,
        remedy="A wider range may hold a better value: move that end in the arm's space and launch with `--extend`.",
    )
