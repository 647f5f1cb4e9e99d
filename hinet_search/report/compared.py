"""Compared: what a study compared and what came out, as short sentences."""

from collections.abc import Iterator

from markupsafe import Markup

from hinet_search.compare import against_reference, chosen, title
from hinet_search.records import StudyRecord
from hinet_search.report import numbers, reading
from hinet_search.report.markup import join, tag
from hinet_search.report.standings import loses_everywhere


def in_words(record: StudyRecord) -> Markup:
    """A box of at most four lines."""
    said = (_compared(record), _selected(record), *_against_reference(record), *_edges(record))
    lines = [tag("li", line) for line in said]
    return tag("div", tag("h3", "What was compared and what came out"), tag("ul", *lines), class_="do")


def _compared(record: StudyRecord) -> str:
    names = ", ".join(reading.arm_titles(record.arms)) or "none yet"
    budget = (
        f"up to {numbers.plural(record.budget.trials, 'trial')} of {numbers.plural(record.budget.passes, 'pass')} each"
    )
    return f"{numbers.plural(len(record.arms), 'arm')} ({names}), {budget}, selected by {reading.objective_in_words(record)} on validation."


def _selected(record: StudyRecord) -> str:
    counts = [len(finalist.runs) for arm in record.arms for finalist in arm.finalists]
    if not counts:
        return "No configuration has been retrained yet, so nothing is known on test."
    best = "mean" if max(counts) > 1 else "value"
    return (
        f"The {numbers.plural(record.budget.finalist_top, 'best configuration')} of an arm and its default were retrained with "
        f"{numbers.seeds(counts)}; the one with the best {best} on validation stands for the arm."
    )


def _against_reference(record: StudyRecord) -> Iterator[str]:
    focus = reading.focus_of(record)
    gains = against_reference(record, focus) if focus and chosen(focus) else None
    if focus is None or gains is None or gains.smallest is None or gains.smallest.difference is None:
        return
    where = reading.cell_in_words(gains.smallest.scenario, gains.smallest.task)
    losing = (
        f"{numbers.plural(gains.seesaw, 'cell')} below it while others are above" if gains.seesaw else "no cell loses"
    )
    losing = "no cell gains" if loses_everywhere(gains) else losing
    yield (
        f"{title(focus.name)} against {title(record.reference)}: smallest cell gain "
        f"{numbers.gain(gains.smallest.difference.mean)} ({where}); {losing}."
    )


def _edges(record: StudyRecord) -> Iterator[Markup]:
    focus = reading.focus_of(record)
    edges = reading.at_the_edge(record, focus) if focus else []
    if focus is not None and edges:
        listed = ", ".join(f"{searched.name} = {numbers.setting(value)}" for searched, value, _ in edges)
        link = tag("a", "at the edge", href="#importance")
        values = "best value" if len(edges) == 1 else "best values"
        lie = "lies" if len(edges) == 1 else "lie"
        yield join([f"The {values} of {title(focus.name)} {lie} ", link, f" of the searched range in {listed}."])
