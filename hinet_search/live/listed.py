"""Listed: the studies of a database as a table, each with its state, trials and best value."""

from collections.abc import Sequence
from urllib.parse import quote

from markupsafe import Markup

from hinet_search.compare import title
from hinet_search.report import numbers, reading
from hinet_search.report.figures import bar
from hinet_search.report.markup import column, head, join, prose, row, scroll, table, tag, unnamed, words
from hinet_search.storage.rows import StudySummary


def study_page(name: str) -> str:
    """Address of the live page of a study."""
    return f"/study/{quote(name, safe='')}"


def listed(studies: Sequence[StudySummary]) -> Markup:
    """A row per study, or what to do where there is none."""
    if not studies:
        return tag("p", prose("Next: `hinet-search launch quickstart`"), class_="lead")
    header = head(
        "Study", column("State"), unnamed("progress"), "Trials", column("Best on validation"), "Updated (UTC)"
    )
    return scroll("Studies", table(header, [_row(study) for study in studies], class_="search track"))


def _row(study: StudySummary) -> Markup:
    value = tag("b", numbers.metric(study.best_value))
    best = join([value, f" {reading.metric_in_words(study.objective)}, {title(study.best_arm or '')}"])
    return row(
        tag("a", study.name, href=study_page(study.name)),
        words(study.state),
        bar(study.done / study.budget),
        f"{study.done} of {study.budget}",
        words(best if study.best_arm else "none yet"),
        study.updated[:16].replace("T", " "),
    )
