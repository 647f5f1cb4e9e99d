"""Advice: what to do with the outcome of a study, by rules, in at most three lines, and the command for it."""

import shlex
from collections.abc import Iterator

from markupsafe import Markup

from hinet_search.compare import (
    SEEDS_FOR_A_CLAIM,
    CellDifference,
    Contrast,
    Verdict,
    claims,
    flops,
    in_words,
    resolution,
    title,
    to_take,
)
from hinet_search.records import ArmRecord, StudyRecord
from hinet_search.report import numbers, reading
from hinet_search.report.markup import Content, join, prose, tag

MOST_CELLS = 3


def box(record: StudyRecord, outcome: Verdict) -> Markup:
    """The lines, the command that exports what they say to take, and a button that copies the command of the study."""
    lines = tag("ul", *(tag("li", line) for line in _lines(record, outcome)))
    command = record.command or shlex.join(["hinet-search", "launch", record.name])
    copy = tag("button", "Copy the command of this study", data_copy=command, hidden=True)
    return tag("div", tag("h2", "What to do with it"), lines, _export(record, outcome), copy, class_="do")


def _export(record: StudyRecord, outcome: Verdict) -> Markup:
    """Nothing while no arm can be exported."""
    arm = to_take(record, outcome)[0] if record.state == "done" else None
    if arm is None:
        return Markup("")
    return tag("pre", tag("code", reading.export_command(record, arm)), tabindex="0")


def _lines(record: StudyRecord, outcome: Verdict) -> list[Content]:
    focus = next((arm for arm in record.arms if arm.name == outcome.focus), None)
    rival = next((one for one in outcome.contrasts if one.arm == outcome.rival), None)
    if focus is None or rival is None:
        return [_not_yet(record)]
    return [*map(prose, _take(record, outcome, focus, rival)), resolution(rival), *_wider(record, focus)]


def _not_yet(record: StudyRecord) -> str:
    """The launch that made a study also brings it to its end."""
    if record.state == "done" and len(record.arms) == 1:
        return "Add an arm to the study: nothing is good or bad but beside another one."
    if record.state == "done":
        return "Nothing is decided: see below what is missing, then launch the study again."
    return "Nothing is decided yet: the same launch goes on from what is stored."


def _take(record: StudyRecord, outcome: Verdict, focus: ArmRecord, rival: Contrast) -> Iterator[str]:
    """Which arm the measured differences speak for."""
    name = title(focus.name)
    if outcome.status == "observation":
        yield f"Train {SEEDS_FOR_A_CLAIM} seeds (`finalists.seeds`) before anything is decided by it."
    elif ahead := claims(outcome.contrasts, "worse"):
        better = in_words([title(one.arm) for one in ahead])
        yield f"Take {better}: better than {name} on test." if len(ahead) == 1 else f"Take one of {better}."
    elif alike := [one.arm for one in outcome.contrasts if one.mark == "unclear"]:
        yield _cheapest(record, focus, alike)
    else:
        yield f"Take {name}{_except(outcome, title(rival.arm))}."


def _except(outcome: Verdict, rival: str) -> str:
    cells = worse_cells(outcome)
    named = [reading.cell_in_words(cell.scenario, cell.task) for cell in cells[:MOST_CELLS]]
    named += [f"{len(cells) - MOST_CELLS} more"] if len(cells) > MOST_CELLS else []
    return f", and {rival} for {in_words(named)}" if named else ""


def worse_cells(outcome: Verdict) -> list[CellDifference]:
    """Cells in which the focus is decided worse than its rival, the deepest first."""
    worse = [cell for cell in outcome.cells if cell.difference is not None and cell.difference.mark == "worse"]
    return sorted(worse, key=lambda cell: cell.difference.mean if cell.difference else 0.0)


def _cheapest(record: StudyRecord, focus: ArmRecord, alike: list[str]) -> str:
    """Of arms that are not told apart the one that computes least, where at least two have FLOPs to compare: trees have none."""
    arms = [arm for arm in record.arms if arm.name in (focus.name, *alike)]
    known = flops(arms)
    name, several = title(focus.name), numbers.plural(len(alike), "other arm")
    if len(known) < 2:
        return f"Take the simplest: {name} is not told apart from {several}."
    least, cheapest = min(known, key=lambda pair: pair[0])
    if cheapest.name == focus.name:
        return f"Take {name}: of the arms not told apart it computes least, {numbers.compact(least)} FLOPs per row."
    ours = next((number for number, arm in known if arm.name == focus.name), None)
    against = f" against {numbers.compact(ours)}" if ours else ""
    return (
        f"Of the arms not told apart from {name}, {title(cheapest.name)} computes least: "
        f"{numbers.compact(least)} FLOPs per row{against}."
    )


def _wider(record: StudyRecord, focus: ArmRecord) -> Iterator[Markup]:
    edges = reading.at_the_edge(record, focus)
    if edges:
        listed = ", ".join(f"{searched.name} = {numbers.setting(value)}" for searched, value, _ in edges)
        link = tag("a", "at the edge", href="#trust-range-edges")
        values = "a best value lies" if len(edges) == 1 else "best values lie"
        yield join([f"Search {title(focus.name)} wider: {values} ", link, f" of the range, {listed}."])
