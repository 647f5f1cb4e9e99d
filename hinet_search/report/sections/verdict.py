"""Verdict: the sentence, the difference of the focus to every arm, and the tests behind it."""

from collections.abc import Iterator

from markupsafe import Markup

from hinet_search.report import html, numbers, record_facts
from hinet_search.report.comparisons import (
    against_all,
    by_groups,
    counted,
    rivals_of_size,
    span,
    tests,
)
from hinet_search.report.figures import CLASSES
from hinet_search.report.sections import Card, NotApplicable
from hinet_search.report.standings import MOST_CELLS, gain_in_words, worse_than_rival
from hinet_search.results.contrasts import Contrast, resolution
from hinet_search.results.finalist_values import chosen, headline_by_seed, mean_of
from hinet_search.results.records import ArmRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import Verdict, title, verdict

ORDER = 12


def build(record: StudyRecord) -> Card:
    """Build the comparison of the focus with every other arm."""
    outcome = verdict(record)
    if outcome.difference is None:
        raise NotApplicable("needs two arms whose finalists are opened on test")
    focus = next(arm for arm in record.arms if arm.name == outcome.focus)
    result = html.join(_result(record, outcome, focus))
    same_size = html.join(_same_size(record, outcome, focus))
    rival = next(contrast for contrast in outcome.contrasts if contrast.arm == outcome.rival)
    seeds = resolution(rival)
    lead = html.join([result, " ", same_size, html.join(_exceptions(outcome)), " ", seeds])
    body = html.join([against_all(record, outcome, focus), tests(outcome), by_groups(record)])
    return Card("verdict", "Verdict", outcome.sentence, lead, body)


def _result(record: StudyRecord, outcome: Verdict, focus: ArmRecord) -> Iterator[html.Content]:
    """State the value of the focus and its gain over the strongest other arm."""
    rival = next(contrast for contrast in outcome.contrasts if contrast.arm == outcome.rival)
    reached = mean_of(headline_by_seed(record, chosen(focus), "test").values())
    rank = "is the best arm on validation and " if outcome.best == focus.name else ""
    yield f"{title(focus.name)} {rank}reaches "
    yield html.tag("b", numbers.metric(reached))
    rival_rank = "best" if outcome.best == rival.arm else "strongest other"
    strongest = f"{title(rival.arm)}, the {rival_rank} arm on validation"
    yield f" {record_facts.headline_in_words(record)} on test. Its gain over {strongest}, is "
    yield _gained(rival)
    yield f" ({counted(rival)})."


def _same_size(record: StudyRecord, outcome: Verdict, focus: ArmRecord) -> Iterator[html.Content]:
    """State the gain over an arm of the same size, or how to add one; trees have no such size."""
    if not record_facts.has_flops(focus):
        return
    name = title(focus.name)
    contrasts = {contrast.arm: contrast for contrast in outcome.contrasts if contrast.difference}
    of_size = [arm.name for arm in rivals_of_size(record, focus) if arm.name in contrasts]
    if not of_size:
        yield f"No arm has the same size as {name}; to add one: "
        yield html.tag("code", f"flat_moe: {{size_of: {focus.name}}}")
        yield "."
    elif of_size[0] == outcome.rival:
        yield f"{title(of_size[0])} has the same size as {name}."
    else:
        rival = contrasts[of_size[0]]
        yield f"Over {title(rival.arm)}, which has the same size as {name}, the gain is "
        yield _gained(rival)
        yield f" ({span(rival)})."


def _exceptions(outcome: Verdict) -> Iterator[html.Content]:
    """Name the cells in which a better focus is worse than its rival."""
    cells = worse_than_rival(outcome)
    if not cells or outcome.status != "better":
        return
    named = record_facts.first_few([gain_in_words(cell) for cell in cells], MOST_CELLS)
    yield " Worse in "
    yield html.tag("b", ", ".join(named), class_="loss")
    yield "."


def _gained(contrast: Contrast) -> Markup:
    return html.tag("b", numbers.gain(contrast.mean), class_=CLASSES[contrast.mark])
