"""Compared: what a study compared, how and against what, as short sentences."""

from collections.abc import Iterator

from markupsafe import Markup

from hinet_search.compare import against_reference, chosen, title
from hinet_search.records import StudyRecord
from hinet_search.report import numbers, reading
from hinet_search.report.markup import details, tag
from hinet_search.report.standings import loses_everywhere


def in_words(record: StudyRecord) -> Markup:
    """At most three lines behind a click."""
    said = (_compared(record), _selected(record), *_against_reference(record))
    return details("What was compared", tag("ul", *(tag("li", line) for line in said), class_="said"), on_paper=True)


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
    top = record.budget.finalist_top
    return (
        f"The {f'{top} best configurations' if top > 1 else 'best configuration'} of an arm and its default were retrained with "
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
