"""Verdict: the sentence, four numbers, the difference to every arm, and what was compared, in words."""

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from hinet_search.compare import (
    CellDifference,
    Contrast,
    Difference,
    Verdict,
    cell_by_seed,
    cells_of,
    chosen,
    headline_by_seed,
    is_opened,
    measure,
    summary,
    title,
    trials_done,
    verdict,
)
from hinet_search.records import ArmRecord, StudyRecord
from hinet_search.report import numbers, reading
from hinet_search.report.advice import MOST_CELLS, box, worse_cells
from hinet_search.report.baselines import against_all, counted, rivals_of_size, span, tests
from hinet_search.report.card import Card
from hinet_search.report.compared import in_words
from hinet_search.report.figures import CLASSES
from hinet_search.report.markup import Content, folds, join, tag

ORDER = 10


def build(record: StudyRecord) -> Card:
    """The card that opens the report; it has something to say for every study."""
    outcome = verdict(record)
    if outcome.difference is None:
        body = [_counts(record), box(record, outcome), in_words(record)]
        return Card("verdict", "Verdict", outcome.sentence, _progress(record), join(body))
    focus = next(arm for arm in record.arms if arm.name == outcome.focus)
    rival = next(one for one in outcome.contrasts if one.arm == outcome.rival)
    body = [
        _four_numbers(record, outcome, focus, outcome.difference),
        against_all(record, outcome, focus),
        box(record, outcome),
        folds([tests(outcome), in_words(record)]),
    ]
    said = (*_led(record, outcome, focus, rival), " ", *_same_size(record, outcome, focus), *_exceptions(outcome))
    lead = tag("p", *said)
    return Card("verdict", "Verdict", outcome.sentence, lead, join(body))


def _led(record: StudyRecord, outcome: Verdict, focus: ArmRecord, rival: Contrast) -> Iterator[Content]:
    """What the focus reached and what it gained over the strongest other arm."""
    name, finalist = title(focus.name), chosen(focus)
    reached = summary(list(headline_by_seed(record, finalist, "test").values())) if finalist else None
    yield f"{name} is the best arm on validation and reaches " if outcome.best == focus.name else f"{name} reaches "
    yield tag("b", numbers.metric(reached.mean if reached else None))
    ahead = outcome.best == rival.arm
    strongest = f"{title(rival.arm)}, the {'best' if ahead else 'strongest other'} arm on validation"
    yield f" {reading.headline_in_words(record)} on test. Its gain over {strongest}, is "
    yield _gained(rival)
    yield f" ({counted(rival, outcome)})."


def _same_size(record: StudyRecord, outcome: Verdict, focus: ArmRecord) -> Iterator[Content]:
    """The rival of the same size, which is always spoken of; trees have no size to compare."""
    if not reading.has_flops(focus):
        return
    name = title(focus.name)
    compared = {one.arm: one for one in outcome.contrasts if one.difference is not None}
    found = next((compared[arm.name] for arm in rivals_of_size(record, focus) if arm.name in compared), None)
    if found is None:
        yield f"No arm has the size of {name}; the arm "
        yield tag("code", f"flat_moe: {{size_of: {focus.name}}}")
        yield " would be one."
    elif found.arm == outcome.rival:
        yield f"{title(found.arm)} has the size of {name}."
    else:
        yield f"Against {title(found.arm)}, which has the size of {name}, the gain is "
        yield _gained(found)
        yield f" ({span(found)})."


def _exceptions(outcome: Verdict) -> Iterator[Content]:
    """The cells that lose against the rival, by name."""
    cells = worse_cells(outcome)
    if cells and outcome.status == "better":
        named = [f"{reading.cell_in_words(cell.scenario, cell.task)} {_mean_gain(cell)}" for cell in cells[:MOST_CELLS]]
        named += [f"{len(cells) - MOST_CELLS} more"] if len(cells) > MOST_CELLS else []
        yield " Worse in "
        yield tag("b", ", ".join(named), class_="loss")
        yield "."


def _mean_gain(cell: CellDifference) -> str:
    return numbers.gain(cell.difference.mean if cell.difference else None)


def _gained(found: Contrast) -> Markup:
    mean = found.difference.mean if found.difference else None
    return tag("b", numbers.gain(mean), class_=CLASSES[found.mark])


def _progress(record: StudyRecord) -> Markup:
    """What is known before anything is decided: validation only, unless an arm has no other to be decided against."""
    if len(record.arms) == 1 and is_opened(record.arms[0]):
        return tag("p", *_alone(record, record.arms[0]))
    best = [(arm, steps) for arm in record.arms if (steps := reading.best_so_far(record, arm)) is not None]
    if not best:
        return tag("p", "No trial has finished with a value yet.")
    pick = max if record.maximize else min
    arm, steps = pick(best, key=lambda pair: pair[1].best)
    words = f"On validation the best trial so far is {title(arm.name)}'s number {steps.found_at} with "
    objective = f" {reading.objective_in_words(record)}. One trial is one seed: no order of the arms follows from it."
    return tag("p", words, tag("b", numbers.metric(steps.best)), objective)


def _alone(record: StudyRecord, arm: ArmRecord) -> Iterator[Content]:
    finalist = chosen(arm)
    found = summary(list(headline_by_seed(record, finalist, "test").values())) if finalist else None
    if found is not None:
        yield f"{title(arm.name)} reaches "
        yield tag("b", numbers.metric(found.mean))
        yield f" {reading.headline_in_words(record)} on test, mean over {numbers.plural(found.seeds, 'seed')}."


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
            numbers.duration(record.seconds) if record.seconds else numbers.DASH,  # counted when a launch ends
            f"{numbers.plural(record.slots, 'slot')}, {record.state}",
            "",
        ),
    ]
    return _numbers_list(rows)


def _four_numbers(record: StudyRecord, outcome: Verdict, focus: ArmRecord, difference: Difference) -> Markup:
    rival = next(arm for arm in record.arms if arm.name == outcome.rival)
    marks = " / ".join(str(outcome.count(mark)) for mark in ("better", "unclear", "worse"))
    known = sum(cell.difference is not None and cell.difference.low is not None for cell in outcome.cells)
    seeds = numbers.plural(difference.pairs, "seed")
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
    name, spent = f"FLOPs per row against {title(rival.name)}", [_milliseconds(arm) for arm in (focus, rival)]
    if spent[0] is not None and spent[1] is not None:
        remark = f"{numbers.milliseconds(spent[0])} against {numbers.milliseconds(spent[1])}"
        return "Time for 100 rows", f"{numbers.ratio(spent[0] / spent[1])} ×", remark, ""
    if not ours or not theirs:
        none = title(rival.name if ours else focus.name)
        return name, numbers.DASH, f"{none} is no torch model and has none", ""
    return name, f"{numbers.ratio(ours / theirs)} ×", f"{numbers.compact(ours)} against {numbers.compact(theirs)}", ""


def _milliseconds(arm: ArmRecord) -> float | None:
    finalist = chosen(arm)
    return reading.milliseconds_per_100(finalist) if finalist else None


def _flops(arm: ArmRecord) -> int:
    finalist = chosen(arm)
    return finalist.runs[0].cost.flops_per_row if finalist else 0
