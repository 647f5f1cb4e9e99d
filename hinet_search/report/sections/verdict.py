"""Verdict: the sentence, four numbers, the difference to every arm, what was compared, advice."""

from collections.abc import Iterator, Sequence

from markupsafe import Markup

from hinet_search.report.card import Card
from hinet_search.report.drawing import html, numbers
from hinet_search.report.drawing.figures import CLASSES
from hinet_search.report.facts import record as record_facts
from hinet_search.report.facts.standings import gain_in_words, loses_everywhere, worst_cell
from hinet_search.report.text.advice import MOST_CELLS, box, worse_cells
from hinet_search.report.text.comparisons import (
    against_all,
    beside_arms,
    counted,
    rivals_of_size,
    span,
    tests,
)
from hinet_search.results.best_model import is_fully_tested
from hinet_search.results.cell_gains import against_reference
from hinet_search.results.contrasts import Contrast
from hinet_search.results.finalist_values import cell_by_seed, chosen, headline_by_seed, mean_of
from hinet_search.results.records import ArmRecord
from hinet_search.results.statistics.paired_difference import Difference, summary
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import Verdict, title, verdict

ORDER = 10

Box = tuple[str, str, str, str]  # name, number, remark, CSS class


def build(record: StudyRecord) -> Card:
    """Build the card that opens the report; it applies to every study."""
    outcome = verdict(record)
    if outcome.difference is None:
        body = [_counts(record), beside_arms(record), box(record, outcome), in_words(record)]
        return Card("verdict", "Verdict", outcome.sentence, _progress(record), html.join(body))
    focus = next(arm for arm in record.arms if arm.name == outcome.focus)
    body = [
        _four_numbers(record, outcome, focus, outcome.difference),
        against_all(record, outcome, focus),
        beside_arms(record),
        box(record, outcome),
        html.folds([tests(outcome), in_words(record)]),
    ]
    result = html.join(_result(record, outcome, focus))
    same_size = html.join(_same_size(record, outcome, focus))
    lead = html.tag("p", result, " ", same_size, html.join(_exceptions(outcome)))
    return Card("verdict", "Verdict", outcome.sentence, lead, html.join(body))


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
    cells = worse_cells(outcome)
    if not cells or outcome.status != "better":
        return
    named = [gain_in_words(cell) for cell in cells[:MOST_CELLS]]
    if len(cells) > MOST_CELLS:
        named.append(f"{len(cells) - MOST_CELLS} more")
    yield " Worse in "
    yield html.tag("b", ", ".join(named), class_="loss")
    yield "."


def _gained(contrast: Contrast) -> Markup:
    return html.tag("b", numbers.gain(contrast.mean), class_=CLASSES[contrast.mark])


def _progress(record: StudyRecord) -> Markup:
    """State the best trial on validation, or the test value of a study's only arm."""
    if len(record.arms) == 1 and is_fully_tested(record.arms[0]):
        finalist = chosen(record.arms[0])
        reached = summary(headline_by_seed(record, finalist, "test").values())
        if reached is None:
            return html.tag("p")
        value = html.tag("b", numbers.metric(reached.mean))
        seeds = numbers.plural(reached.seeds, "seed")
        measure = f" {record_facts.headline_in_words(record)} on test, mean over {seeds}."
        return html.tag("p", f"{title(record.arms[0].name)} reaches ", value, measure)
    steps_by_arm = [(arm, record_facts.best_so_far(record, arm)) for arm in record.arms]
    known = [(arm, steps) for arm, steps in steps_by_arm if steps is not None]
    if not known:
        return html.tag("p", "No trial has finished with a value yet.")
    arm, steps = max(known, key=lambda pair: record.sign * pair[1].best)
    best_trial = f"Best on validation so far: trial {steps.best_trial} of {title(arm.name)} with "
    caveat = "One trial is one seed, so this is no ranking of the arms."
    objective = f" {record_facts.objective_in_words(record)}. {caveat}"
    return html.tag("p", best_trial, html.tag("b", numbers.metric(steps.best)), objective)


def _numbers_list(rows: Sequence[Box]) -> Markup:
    boxes = []
    for name, value, remark, class_ in rows:
        described = html.tag("dd", value, html.tag("small", remark), class_=class_)
        boxes.append(html.tag("div", html.tag("dt", name), described))
    return html.tag("dl", html.join(boxes), class_="kpi")


def _counts(record: StudyRecord) -> Markup:
    done = sum(arm.trials_done for arm in record.arms)
    failed = sum(arm.num_failed for arm in record.arms)
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
    marks = " / ".join(str(outcome.count(mark)) for mark in ("better", "unclear", "worse"))
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
    other = numbers.metric(mean_of(cell_by_seed(record, chosen(rival), "test", cell).values()))
    remark = f"{record_facts.cell_in_words(cell)}; {title(rival.name)} {other}"
    return name, numbers.metric(value), remark, ""


def _price(focus: ArmRecord, rival: ArmRecord) -> Box:
    """Compare the time to score 100 rows, or FLOPs per row where that was not measured."""
    our_finalist = chosen(focus)
    their_finalist = chosen(rival)
    assert our_finalist is not None, "a focus with a verdict has a finalist"
    assert their_finalist is not None, "a rival with a verdict has a finalist"
    our_time = record_facts.milliseconds_per_100(our_finalist)
    their_time = record_facts.milliseconds_per_100(their_finalist)
    if our_time is not None and their_time is not None:
        remark = f"{numbers.milliseconds(our_time)} against {numbers.milliseconds(their_time)}"
        return "Time for 100 rows", f"{numbers.ratio(our_time / their_time)} ×", remark, ""
    name = f"FLOPs per row against {title(rival.name)}"
    ours = our_finalist.cost.flops_per_row
    theirs = their_finalist.cost.flops_per_row
    if not ours or not theirs:
        arm = title(rival.name if ours else focus.name)
        return name, numbers.DASH, f"not counted for {arm}, which is not a torch model", ""
    remark = f"{numbers.compact(ours)} against {numbers.compact(theirs)}"
    return name, f"{numbers.ratio(ours / theirs)} ×", remark, ""


def in_words(record: StudyRecord) -> Markup:
    """Return at most three lines, folded."""
    names = ", ".join(record_facts.arm_titles(record.arms)) or "none yet"
    trials = numbers.plural(record.budget.trials, "trial")
    budget = f"up to {trials} of {numbers.plural(record.budget.passes, 'pass')} each"
    arms = f"{numbers.plural(len(record.arms), 'arm')} ({names})"
    objective = record_facts.objective_in_words(record)
    sample = f", searched on {record.data.searched_on}" if record.data.sample else ""
    compared = f"{arms}, {budget}, selected by {objective} on validation{sample}."
    lines = html.bullets([compared, _selected(record), *_against_reference(record)], "said")
    return html.details("What was compared", lines, on_paper=True)


def _selected(record: StudyRecord) -> str:
    retrained = [arm for arm in record.arms if arm.finalists]
    counts: list[int] = []
    for arm in retrained:
        counts += [len(finalist.runs) for finalist in arm.finalists]
    if not counts:
        return "No configuration has been retrained yet, so there are no test values."
    top = record.budget.finalist_top
    with_seeds = f"retrained with {numbers.seeds(counts)}"
    has_default = _has_defaults(retrained, top)
    if top == 1 and not has_default:
        return f"The best configuration of each arm was {with_seeds}; it represents the arm."
    tuned = f"{top} best configurations" if top > 1 else "best configuration"
    were = "and its default were" if has_default else "were"
    criterion = "mean" if max(counts) > 1 else "value"
    return (
        f"The {tuned} of each arm {were} {with_seeds}; "
        f"the one with the best {criterion} on validation represents the arm."
    )


def _has_defaults(retrained: Sequence[ArmRecord], top: int) -> bool:
    """Whether defaults were retrained beside the `top` best trials, or are among them."""
    is_beside = any(len(arm.finalists) > top for arm in retrained)
    return is_beside or all(arm.default for arm in retrained)


def _against_reference(record: StudyRecord) -> Iterator[str]:
    focus = record_facts.focus_of(record)
    if focus is None or chosen(focus) is None:
        return
    gains = against_reference(record, focus)
    if gains is None or gains.smallest is None:
        return
    losing = "no cell loses"
    if loses_everywhere(gains):
        losing = "no cell gains"
    elif gains.seesaw:
        losing = f"{numbers.plural(gains.seesaw, 'cell')} below it while others are above"
    yield (
        f"{title(focus.name)} against {title(record.reference)}: smallest cell gain "
        f"{numbers.gain(gains.smallest.mean)} "
        f"({record_facts.cell_in_words(gains.smallest.name)}); {losing}."
    )
