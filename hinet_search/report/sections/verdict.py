"""Verdict: the sentence, four numbers, the difference to every arm, what was compared, advice."""

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from hinet_search.report.card import Card
from hinet_search.report.drawing import numbers
from hinet_search.report.drawing.figures import CLASSES
from hinet_search.report.drawing.html import Content, details, folds, join, tag
from hinet_search.report.facts import record as record_facts
from hinet_search.report.facts.standings import gain_in_words, loses_everywhere, worst_cell
from hinet_search.report.text.advice import MOST_CELLS, box, worse_cells
from hinet_search.report.text.baselines import against_all, counted, rivals_of_size, span, tests
from hinet_search.report.text.taught import beside_arms
from hinet_search.results.best_model import is_fully_tested
from hinet_search.results.cell_gains import against_reference
from hinet_search.results.contrasts import Contrast
from hinet_search.results.finalist_values import cell_by_seed, chosen, headline_by_seed
from hinet_search.results.records import ArmRecord
from hinet_search.results.statistics.paired_difference import Difference, Summary, summary
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import Verdict, title, verdict

ORDER = 10

Box = tuple[str, str, str, str]  # name, number, remark, CSS class


def build(record: StudyRecord) -> Card:
    """Build the card that opens the report; it applies to every study."""
    outcome = verdict(record)
    if outcome.difference is None:
        body = [_counts(record), beside_arms(record), box(record, outcome), in_words(record)]
        return Card("verdict", "Verdict", outcome.sentence, _progress(record), join(body))
    focus = next(arm for arm in record.arms if arm.name == outcome.focus)
    rival = next(contrast for contrast in outcome.contrasts if contrast.arm == outcome.rival)
    body = [
        _four_numbers(record, outcome, focus, outcome.difference),
        against_all(record, outcome, focus),
        beside_arms(record),
        box(record, outcome),
        folds([tests(outcome), in_words(record)]),
    ]
    result = _result(record, outcome, focus, rival)
    same_size = _same_size(record, outcome, focus)
    lead = tag("p", *result, " ", *same_size, *_exceptions(outcome))
    return Card("verdict", "Verdict", outcome.sentence, lead, join(body))


def _result(
    record: StudyRecord, outcome: Verdict, focus: ArmRecord, rival: Contrast
) -> Iterator[Content]:
    """State the value of the focus and its gain over the strongest other arm."""
    reached = _reached(record, focus)
    rank = "is the best arm on validation and " if outcome.best == focus.name else ""
    yield f"{title(focus.name)} {rank}reaches "
    yield tag("b", numbers.metric(reached.mean if reached else None))
    rival_rank = "best" if outcome.best == rival.arm else "strongest other"
    strongest = f"{title(rival.arm)}, the {rival_rank} arm on validation"
    yield f" {record_facts.headline_in_words(record)} on test. Its gain over {strongest}, is "
    yield _gained(rival)
    yield f" ({counted(rival)})."


def _same_size(record: StudyRecord, outcome: Verdict, focus: ArmRecord) -> Iterator[Content]:
    """State the gain over an arm of the same size, or how to add one; trees have no such size."""
    if not record_facts.has_flops(focus):
        return
    name = title(focus.name)
    of_size = [arm.name for arm in rivals_of_size(record, focus)]
    contrasts = {
        contrast.arm: contrast for contrast in outcome.contrasts if contrast.difference is not None
    }
    rival = next((contrasts[arm] for arm in of_size if arm in contrasts), None)
    if rival is None:
        yield f"No arm has the same size as {name}; to add one: "
        yield tag("code", f"flat_moe: {{size_of: {focus.name}}}")
        yield "."
    elif rival.arm == outcome.rival:
        yield f"{title(rival.arm)} has the same size as {name}."
    else:
        yield f"Over {title(rival.arm)}, which has the same size as {name}, the gain is "
        yield _gained(rival)
        yield f" ({span(rival)})."


def _exceptions(outcome: Verdict) -> Iterator[Content]:
    """Name the cells in which a better focus is worse than its rival."""
    cells = worse_cells(outcome)
    if not cells or outcome.status != "better":
        return
    named = [gain_in_words(cell) for cell in cells[:MOST_CELLS]]
    if len(cells) > MOST_CELLS:
        named.append(f"{len(cells) - MOST_CELLS} more")
    yield " Worse in "
    yield tag("b", ", ".join(named), class_="loss")
    yield "."


def _gained(contrast: Contrast) -> Markup:
    mean = contrast.difference.mean if contrast.difference else None
    return tag("b", numbers.gain(mean), class_=CLASSES[contrast.mark])


def _reached(record: StudyRecord, arm: ArmRecord) -> Summary | None:
    """Return the headline of an arm's chosen finalist on test."""
    finalist = chosen(arm)
    if finalist is None:
        return None
    return summary(list(headline_by_seed(record, finalist, "test").values()))


def _progress(record: StudyRecord) -> Markup:
    """State the best trial on validation, or the test value of a study's only arm."""
    if len(record.arms) == 1 and is_fully_tested(record.arms[0]):
        return tag("p", *_alone(record, record.arms[0]))
    steps_by_arm = [(arm, record_facts.best_so_far(record, arm)) for arm in record.arms]
    known = [(arm, steps) for arm, steps in steps_by_arm if steps is not None]
    if not known:
        return tag("p", "No trial has finished with a value yet.")
    pick = max if record.maximize else min
    arm, steps = pick(known, key=lambda pair: pair[1].best)
    best_trial = f"Best on validation so far: trial {steps.best_trial} of {title(arm.name)} with "
    caveat = "One trial is one seed, so this is no ranking of the arms."
    objective = f" {record_facts.objective_in_words(record)}. {caveat}"
    return tag("p", best_trial, tag("b", numbers.metric(steps.best)), objective)


def _alone(record: StudyRecord, arm: ArmRecord) -> Iterator[Content]:
    reached = _reached(record, arm)
    if reached is not None:
        yield f"{title(arm.name)} reaches "
        yield tag("b", numbers.metric(reached.mean))
        seeds = numbers.plural(reached.seeds, "seed")
        yield f" {record_facts.headline_in_words(record)} on test, mean over {seeds}."


def _numbers_list(rows: Sequence[Box]) -> Markup:
    boxes = [
        tag("div", tag("dt", name), tag("dd", value, tag("small", remark), class_=class_))
        for name, value, remark, class_ in rows
    ]
    return tag("dl", *boxes, class_="kpi")


def _counts(record: StudyRecord) -> Markup:
    done = sum(arm.trials_done for arm in record.arms)
    failed = sum(trial.state == "failed" for arm in record.arms for trial in arm.trials)
    retrained = sum(len(finalist.runs) for arm in record.arms for finalist in arm.finalists)
    planned = numbers.compact(sum(map(record.budget_of, record.arms)))
    seeds = numbers.plural(record.budget.finalist_seeds, "seed")
    # A launch adds its time when it ends.
    time = numbers.duration(record.seconds) if record.seconds else numbers.DASH
    slots = numbers.plural(record.slots, "slot")
    failed_box = ("Failed trials", numbers.compact(failed), "no failures", "")
    if failed:
        failed_box = ("Failed trials", numbers.compact(failed), "causes below", "loss")
    return _numbers_list(
        [
            ("Trials ended", numbers.compact(done), f"of {planned} planned", ""),
            failed_box,
            ("Finalist runs", numbers.compact(retrained), f"{seeds} per finalist planned", ""),
            ("Time so far", time, f"{slots}, {record.state}", ""),
        ]
    )


def _four_numbers(
    record: StudyRecord, outcome: Verdict, focus: ArmRecord, difference: Difference
) -> Markup:
    rival = next(arm for arm in record.arms if arm.name == outcome.rival)
    gain = numbers.gain(difference.mean)
    seeds = numbers.plural(difference.pairs, "seed")
    return _numbers_list(
        [
            (f"Gain over {title(rival.name)}", gain, seeds, CLASSES[difference.mark]),
            _cells_box(outcome, difference),
            _worst_cell(record, focus, rival),
            _price(focus, rival),
        ]
    )


def _cells_box(outcome: Verdict, difference: Difference) -> Box:
    counts = [str(outcome.count(mark)) for mark in ("better", "unclear", "worse")]
    marks = " / ".join(counts)
    differences = [cell.difference for cell in outcome.cells if cell.difference is not None]
    num_intervals = sum(difference.low is not None for difference in differences)
    remark = numbers.plural(num_intervals, "interval")
    if num_intervals > 1:
        remark += " that hold at once"
    if outcome.status == "observation":
        marks = numbers.DASH
        remark = "an observation, not a claim"
    if difference.low is None:
        remark = numbers.interval(None, None)
    return "Cells better / not significant / worse", marks, remark, ""


def _worst_cell(record: StudyRecord, focus: ArmRecord, rival: ArmRecord) -> Box:
    name = f"Worst cell of {title(focus.name)}"
    finalist = chosen(focus)
    worst = worst_cell(record, finalist) if finalist else None
    if worst is None:
        return name, numbers.DASH, "no cell has a value", ""
    value, cell = worst
    other = numbers.metric(_mean(record, rival, cell))
    remark = f"{record_facts.cell_in_words(*cell)}; {title(rival.name)} {other}"
    return name, numbers.metric(value), remark, ""


def _mean(record: StudyRecord, arm: ArmRecord, cell: tuple[str, str]) -> float | None:
    """Return an arm's mean over seeds in a cell of test."""
    finalist = chosen(arm)
    if finalist is None:
        return None
    reached = summary(list(cell_by_seed(record, finalist, "test", cell).values()))
    return reached.mean if reached else None


def _price(focus: ArmRecord, rival: ArmRecord) -> Box:
    """Compare the time to score 100 rows, or FLOPs per row where that was not measured."""
    our_time = _milliseconds(focus)
    their_time = _milliseconds(rival)
    if our_time is not None and their_time is not None:
        remark = f"{numbers.milliseconds(our_time)} against {numbers.milliseconds(their_time)}"
        return "Time for 100 rows", f"{numbers.ratio(our_time / their_time)} ×", remark, ""
    name = f"FLOPs per row against {title(rival.name)}"
    ours = _flops(focus)
    theirs = _flops(rival)
    if not ours or not theirs:
        arm = title(rival.name if ours else focus.name)
        return name, numbers.DASH, f"not counted for {arm}, which is not a torch model", ""
    remark = f"{numbers.compact(ours)} against {numbers.compact(theirs)}"
    return name, f"{numbers.ratio(ours / theirs)} ×", remark, ""


def _milliseconds(arm: ArmRecord) -> float | None:
    finalist = chosen(arm)
    return record_facts.milliseconds_per_100(finalist) if finalist else None


def _flops(arm: ArmRecord) -> int:
    finalist = chosen(arm)
    return finalist.runs[0].cost.flops_per_row if finalist else 0


def in_words(record: StudyRecord) -> Markup:
    """Return at most three lines, folded."""
    lines = (_compared(record), _selected(record), *_against_reference(record))
    listed = tag("ul", *(tag("li", line) for line in lines), class_="said")
    return details("What was compared", listed, on_paper=True)


def _compared(record: StudyRecord) -> str:
    names = ", ".join(record_facts.arm_titles(record.arms)) or "none yet"
    trials = numbers.plural(record.budget.trials, "trial")
    budget = f"up to {trials} of {numbers.plural(record.budget.passes, 'pass')} each"
    arms = f"{numbers.plural(len(record.arms), 'arm')} ({names})"
    objective = record_facts.objective_in_words(record)
    return f"{arms}, {budget}, selected by {objective} on validation."


def _selected(record: StudyRecord) -> str:
    counts = [len(finalist.runs) for arm in record.arms for finalist in arm.finalists]
    if not counts:
        return "No configuration has been retrained yet, so there are no test values."
    criterion = "mean" if max(counts) > 1 else "value"
    top = record.budget.finalist_top
    tuned = f"{top} best configurations" if top > 1 else "best configuration"
    retrained = f"retrained with {numbers.seeds(counts)}"
    if _retrained_defaults(record, top):
        were = "and its default were"
    elif top > 1:
        were = "were"
    else:
        return f"The {tuned} of each arm was {retrained}; it represents the arm."
    return (
        f"The {tuned} of each arm {were} {retrained}; "
        f"the one with the best {criterion} on validation represents the arm."
    )


def _retrained_defaults(record: StudyRecord, top: int) -> bool:
    """Whether defaults were retrained beside the `top` best trials, or are among them."""
    finalists = [arm.finalists for arm in record.arms if arm.finalists]
    return any(len(of_arm) > top for of_arm in finalists) or all(
        any(finalist.is_default for finalist in of_arm) for of_arm in finalists
    )


def _against_reference(record: StudyRecord) -> Iterator[str]:
    focus = record_facts.focus_of(record)
    gains = against_reference(record, focus) if focus and chosen(focus) else None
    smallest = gains.smallest if gains else None
    if focus is None or gains is None or smallest is None or smallest.difference is None:
        return
    losing = "no cell loses"
    if loses_everywhere(gains):
        losing = "no cell gains"
    elif gains.seesaw:
        losing = f"{numbers.plural(gains.seesaw, 'cell')} below it while others are above"
    where = record_facts.cell_in_words(smallest.scenario, smallest.task)
    yield (
        f"{title(focus.name)} against {title(record.reference)}: smallest cell gain "
        f"{numbers.gain(smallest.difference.mean)} ({where}); {losing}."
    )
