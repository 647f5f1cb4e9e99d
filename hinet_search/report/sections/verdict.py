"""Verdict: the sentence, four numbers, the difference to every arm, and what was compared, in words."""

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from hinet_search.compare import (
    Difference,
    Verdict,
    against_reference,
    cell_by_seed,
    cells_of,
    chosen,
    gain,
    measure,
    objective_by_seed,
    seeds_to_show,
    summary,
    title,
    trials_done,
    verdict,
)
from hinet_search.records import ArmRecord, StudyRecord
from hinet_search.report import numbers, reading
from hinet_search.report.card import Card
from hinet_search.report.figures import CLASSES, ForestRow, forest
from hinet_search.report.markup import Content, join, note, tag

ORDER = 10
SMALL_EFFECT = 0.001
SAME_SIZE = 0.1  # arms whose dense parameters differ by less than this share are of one size


def build(record: StudyRecord) -> Card:
    """The card that opens the report; it has something to say for every study."""
    outcome = verdict(record)
    if outcome.difference is None:
        return Card(
            "verdict", "Verdict", outcome.sentence, _progress(record), join([_counts(record), _in_words(record)])
        )
    focus = next(arm for arm in record.arms if arm.name == outcome.focus)
    body = [
        _four_numbers(record, outcome, focus, outcome.difference),
        _differences(record, outcome, focus),
        _in_words(record),
    ]
    return Card("verdict", "Verdict", outcome.sentence, _lead(record, outcome, focus, outcome.difference), join(body))


def _lead(record: StudyRecord, outcome: Verdict, focus: ArmRecord, difference: Difference) -> Markup:
    name, rival = title(focus.name), title(outcome.rival or "")
    finalist = chosen(focus)
    reached = summary(list(objective_by_seed(record, finalist, "test").values())) if finalist else None
    value = numbers.metric(reached.mean) if reached else numbers.DASH
    first = f"{name} is the best arm on validation and reaches " if outcome.best == focus.name else f"{name} reaches "
    words: list[Content] = [
        first,
        tag("b", value),
        f" {reading.objective_in_words(record)} on test. Its gain over {rival}, the strongest other arm on validation, is ",
        tag("b", numbers.gain(difference.mean), class_=CLASSES[difference.mark]),
        f" ({_certainty(difference)}).",
    ]
    if outcome.best not in (None, focus.name):
        words.append(f" On validation {title(outcome.best or '')} is ahead of it.")
    if difference.mark == "unclear" and difference.deviation:
        needed = numbers.compact(seeds_to_show(SMALL_EFFECT, difference.deviation))
        words.append(
            f" At this spread about {needed} paired seeds would show a difference of {numbers.metric(SMALL_EFFECT)}."
        )
    return tag("p", *words)


def _certainty(difference: Difference) -> str:
    seeds = numbers.plural(difference.pairs, "paired seed")
    if difference.low is None:
        return f"{seeds}, no interval"
    return f"95 % interval {numbers.interval(difference.low, difference.high)}, {seeds}"


def _progress(record: StudyRecord) -> Markup:
    """What is known before anything is decided: validation only."""
    best = [(arm, steps) for arm in record.arms if (steps := reading.best_so_far(record, arm)) is not None]
    if not best:
        return tag("p", "No trial has finished with a value yet.")
    pick = max if record.maximize else min
    arm, steps = pick(best, key=lambda pair: pair[1].best)
    words = f"On validation the best trial so far is {title(arm.name)}'s number {steps.found_at} with "
    objective = f" {reading.objective_in_words(record)}. One trial is one seed: no order of the arms follows from it."
    return tag("p", words, tag("b", numbers.metric(steps.best)), objective)


def _numbers_list(rows: Sequence[tuple[str, str, str, str]]) -> Markup:
    boxes = [
        tag("div", tag("dt", name), tag("dd", value, tag("small", remark), class_=class_))
        for name, value, remark, class_ in rows
    ]
    return tag("dl", *boxes, class_="kpi")


def _counts(record: StudyRecord) -> Markup:
    done = sum(trials_done(arm) for arm in record.arms)
    failed = sum(trial.state == "failed" for arm in record.arms for trial in arm.trials)
    retrained = sum(len(finalist.runs) for arm in record.arms for finalist in arm.finalists)
    rows = [
        (
            "Trials ended",
            numbers.compact(done),
            f"of {numbers.compact(record.budget.trials * len(record.arms))} planned",
            "",
        ),
        (
            "Failed trials",
            numbers.compact(failed),
            "causes below" if failed else "nothing to repair",
            "loss" if failed else "",
        ),
        (
            "Finalist runs",
            numbers.compact(retrained),
            f"{numbers.plural(record.budget.finalist_seeds, 'seed')} per finalist planned",
            "",
        ),
        (
            "Time so far",
            numbers.duration(record.seconds),
            f"{numbers.plural(record.slots, 'slot')}, {record.state}",
            "",
        ),
    ]
    return _numbers_list(rows)


def _four_numbers(record: StudyRecord, outcome: Verdict, focus: ArmRecord, difference: Difference) -> Markup:
    rival = next(arm for arm in record.arms if arm.name == outcome.rival)
    marks = " / ".join(str(outcome.count(mark)) for mark in ("better", "unclear", "worse"))
    known = sum(cell.difference is not None for cell in outcome.cells)
    seeds = numbers.plural(difference.pairs, "paired seed")
    at_once = f"{numbers.plural(known, 'interval')}{' that hold at once' if known > 1 else ''}"
    rows = [
        (
            f"Gain over {title(rival.name)}",
            numbers.gain(difference.mean),
            seeds,
            CLASSES[difference.mark],
        ),
        (
            "Cells better / unclear / worse",
            marks,
            at_once if difference.low is not None else numbers.interval(None, None),
            "",
        ),
        _worst_cell(record, focus, rival),
        _price(focus, rival),
    ]
    return _numbers_list(rows)


def _worst_cell(record: StudyRecord, focus: ArmRecord, rival: ArmRecord) -> tuple[str, str, str, str]:
    pick = min if measure(record).maximize else max
    name = f"Worst cell of {title(focus.name)}"
    reached = [(found, cell) for cell in cells_of(record) if (found := _mean(record, focus, cell)) is not None]
    if not reached:
        return name, numbers.DASH, "no cell has a value", ""
    value, cell = pick(reached)
    other = numbers.metric(_mean(record, rival, cell))
    return name, numbers.metric(value), f"{reading.cell_in_words(*cell)}; {title(rival.name)} {other}", ""


def _mean(record: StudyRecord, arm: ArmRecord, cell: tuple[str, str]) -> float | None:
    finalist = chosen(arm)
    found = summary(list(cell_by_seed(record, finalist, "test", cell).values())) if finalist else None
    return found.mean if found else None


def _price(focus: ArmRecord, rival: ArmRecord) -> tuple[str, str, str, str]:
    ours, theirs = (_flops(arm) for arm in (focus, rival))
    remark = f"{numbers.compact(ours)} against {numbers.compact(theirs)}"
    return f"FLOPs per row against {title(rival.name)}", f"{ours / max(theirs, 1):.1f} ×", remark, ""


def _flops(arm: ArmRecord) -> int:
    finalist = chosen(arm)
    return finalist.runs[0].cost.flops_per_row if finalist else 0


def _differences(record: StudyRecord, outcome: Verdict, focus: ArmRecord) -> Markup:
    rows = sorted(
        _rows(record, outcome, focus),
        key=lambda row: (row.difference is None, row.difference.mean if row.difference else 0.0),
    )
    name, objective = title(focus.name), reading.objective_in_words(record)
    lower = "" if record.maximize else f" Lower {objective} is better; a positive gain means lower."
    line = (
        "the mean over paired seeds. Line: 95 % interval, each on its own; an arrow marks a line that leaves the picture. "
        "Filled circle: better. Ring: no clear difference. Diamond: worse."
    )
    several = any(row.difference is not None and row.difference.low is not None for row in rows)
    how_sure = line if several else "from one seed, which gives no interval."
    legend = f"Gain of {name} in {objective} on test ({record.data.split}), {how_sure}{lower}"
    return join([forest(rows, "Compared with", f"Gain of {name}"), note(legend)])


def _rows(record: StudyRecord, outcome: Verdict, focus: ArmRecord) -> Iterator[ForestRow]:
    ours = objective_by_seed(record, finalist, "test") if (finalist := chosen(focus)) else {}
    for arm in record.arms:
        if arm.name == focus.name:
            continue
        other = chosen(arm)
        theirs = objective_by_seed(record, other, "test") if other else {}
        found = gain(ours, theirs, maximize=record.maximize) if ours.keys() & theirs.keys() else None
        yield ForestRow(title(arm.name), _remark(record, outcome, focus, arm), found, "no common seed on test")


def _remark(record: StudyRecord, outcome: Verdict, focus: ArmRecord, arm: ArmRecord) -> str:
    ours, theirs = (
        finalist.runs[0].cost.dense_parameters if finalist else 0 for finalist in (chosen(focus), chosen(arm))
    )
    remarks = ["strongest"] if arm.name == outcome.rival else []
    remarks += ["reference"] if arm.name == record.reference else []
    remarks += ["same size"] if ours and abs(ours - theirs) < SAME_SIZE * ours else []
    return ", ".join(remarks)


def _in_words(record: StudyRecord) -> Markup:
    lines = [
        tag("li", line) for line in (_compared(record), _selected(record), *_against_reference(record), *_edges(record))
    ]
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
        "no cell loses"
        if not gains.seesaw
        else f"{numbers.plural(gains.seesaw, 'cell')} below it while others are above"
    )
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
