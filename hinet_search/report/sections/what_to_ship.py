"""What to ship: the model to take, its value, time and gains, why it, and what to do next.

A gain is a claim only where the verdict or the comparison of students makes it one. Any other is an
observation: no correction covers that pair.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from markupsafe import Markup

from hinet_search.report import html, numbers, record_facts
from hinet_search.report.commands import (
    decisive_command,
    export_command,
    has_full_size,
    launch_command,
    trains_on_all,
)
from hinet_search.report.figures import CLASSES
from hinet_search.report.sections import Card
from hinet_search.report.shipping import limits_in_words
from hinet_search.report.standings import MOST_CELLS, on_validation, worse_than_rival
from hinet_search.results.contrasts import (
    Contrast,
    ensemble_contrast,
    judged,
    own_arm,
    student_contrasts,
)
from hinet_search.results.decision import TOO_FEW, decided
from hinet_search.results.ensemble_records import ENSEMBLE
from hinet_search.results.finalist_values import (
    arm_values,
    chosen,
    headline_by_seed,
    is_fully_tested,
)
from hinet_search.results.opened_models import Decision, Offer
from hinet_search.results.records import ArmRecord
from hinet_search.results.statistics.paired_difference import Difference, summary
from hinet_search.results.statistics.welch import SEEDS_FOR_A_CLAIM
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import Verdict, in_words, title, verdict

ORDER = 10
ALONE = "one pair, uncorrected"

Box = tuple[str, str, str, str]  # name, number, remark, CSS class
Gain = tuple[ArmRecord, Contrast]  # the arm compared with, and the gain over it


def build(record: StudyRecord) -> Card:
    """Build the card that opens the report; it applies to every study."""
    outcome = verdict(record)
    shipped = decided(record, outcome)
    heading, lead = _said(record, outcome, shipped)
    boxes = _counts(record)
    if shipped.taken is not None and (outcome.difference or len(record.arms) == 1):
        boxes = list(_numbers(record, outcome, shipped.taken))
    drawn = []
    for name, value, remark, class_ in boxes:
        described = html.tag("dd", value, html.tag("small", remark), class_=class_)
        drawn.append(html.tag("div", html.tag("dt", name), described))
    in_numbers = html.tag("dl", html.join(drawn), class_="kpi")
    body = [in_numbers, _advice(record, outcome, shipped), _compared(record)]
    return Card("what-to-ship", "Verdict", heading, lead, html.join(body))


def _said(record: StudyRecord, outcome: Verdict, shipped: Decision) -> tuple[str, Markup]:
    """Return heading and lead: what to take and why, or what is missing."""
    if outcome.difference is None:
        return outcome.sentence, _progress(record)
    why = f"Why: {shipped.why}."
    if shipped.why == TOO_FEW:
        advice = "run --size full" if has_full_size(record) else f"train {SEEDS_FOR_A_CLAIM} seeds"
        return f"It works; nothing is decided yet: {advice}", html.prose(why)
    limits = limits_in_words(record)
    if shipped.taken is None:
        return "No model can be taken", html.prose(f"{why} {limits}".strip())
    name = title(shipped.taken.name)
    if outcome.status == "observation":
        said = f"{why} {_remedy(outcome)}"
        return f"{name} is the candidate: an observation, not a claim", html.prose(said)
    said = f"{why}{_exceptions(outcome, shipped.taken)} {limits}"
    return f"Take {name}", html.prose(said.strip())


def _counts(record: StudyRecord) -> list[Box]:
    done = sum(arm.trials_done for arm in record.arms)
    failed = sum(arm.num_failed for arm in record.arms)
    retrained = sum(len(finalist.runs) for arm in record.arms for finalist in arm.finalists)
    planned = numbers.compact(sum(map(record.budget_of, record.arms)))
    seeds = numbers.plural(record.budget.finalist_seeds, "seed")
    slots = numbers.plural(record.slots, "slot")
    failed_box = ("Failed trials", numbers.compact(failed), "no failures", "")
    if failed:
        failed_box = ("Failed trials", numbers.compact(failed), "causes below", "loss")
    return [
        ("Trials ended", numbers.compact(done), f"of {planned} planned", ""),
        failed_box,
        ("Finalist runs", numbers.compact(retrained), f"{seeds} per finalist planned", ""),
        ("Time so far", _time_so_far(record), f"{slots}, {record.state}", ""),
    ]


def _time_so_far(record: StudyRecord) -> str:
    """Return the time of all launches; while a later launch runs, of the launches before it.

    A launch adds its time when it ends; the first one began with the study.
    """
    if record.seconds:
        return numbers.duration(record.seconds)
    if record.state != "running" or not record.started:
        return numbers.DASH
    so_far = datetime.fromisoformat(record.updated) - datetime.fromisoformat(record.started)
    return numbers.duration(so_far.total_seconds())


def _numbers(record: StudyRecord, outcome: Verdict, taken: Offer) -> Iterator[Box]:
    """Yield the value on test, the time or FLOPs, and the gains over trees and the default."""
    model = next((arm for arm in record.arms_and_students if arm.name == taken.name), None)
    finalist = chosen(model)
    runs = f"mean of {taken.members} models"
    if finalist is not None:
        runs = numbers.plural(len(finalist.runs), "seed")
        runs = f"mean over {runs}" if len(finalist.runs) > 1 else runs
    measure = record_facts.capitalized(record_facts.headline_in_words(record))
    yield f"{measure} on test", numbers.metric(taken.test), runs, ""
    if taken.milliseconds is not None:
        device = f"one request, on {finalist.cost.device}" if finalist else "all of its models"
        yield "Time for 100 rows", numbers.milliseconds(taken.milliseconds), device, ""
    else:
        flops = numbers.compact(taken.flops_per_row or None)
        yield "FLOPs per row", flops, "the time to score was not measured", ""
    gain = _over_baseline(record, outcome, taken)
    if gain is not None:
        yield _gain(gain)
    own = _over_own_arm(record, taken)
    if own is not None:
        yield _gain(own)
    else:
        yield from _tuning(record, taken)


def _gain(gain: Gain) -> Box:
    """Return a gain on test with its interval; only a claim has a colour."""
    other, contrast = gain
    name = f"Gain over {title(other.name)} on test"
    difference = contrast.difference
    if difference is None or difference.low is None:
        class_ = "" if difference is None else CLASSES[difference.mark]
        return name, numbers.gain(contrast.mean), contrast.reason, class_
    remark = numbers.interval(difference.low, difference.high)
    if difference.lacks:
        remark += f", observation: {difference.lacks}"
    return name, numbers.gain(difference.mean), remark, CLASSES[difference.mark]


def _tuning(record: StudyRecord, taken: Offer) -> Iterator[Box]:
    """Yield what the search added to the default of an arm, on the rows that chose it."""
    valid = on_validation(record).get(taken.name)
    if valid is None or valid.default is None:
        return
    name = "Gain over its default on validation"
    if valid.kept_default:
        yield name, numbers.DASH, "the default was chosen", ""
    else:
        seeds = numbers.plural(valid.default.seeds, "seed")
        yield name, numbers.gain(valid.tuning), f"{seeds}; chosen on the same rows", ""


def _over_baseline(record: StudyRecord, outcome: Verdict, taken: Offer) -> Gain | None:
    """Return the gain over trees, or over the reference if no arm is of trees; None without."""
    others = [arm for arm in record.arms if arm.name != taken.name and is_fully_tested(arm)]
    trees = [arm for arm in others if arm.model == "trees"]
    baselines = trees or [arm for arm in others if arm.name == record.reference]
    if not baselines:
        return None
    contrast = _over(record, outcome, taken, baselines[0])
    return None if contrast is None else (baselines[0], contrast)


def _over_own_arm(record: StudyRecord, taken: Offer) -> Gain | None:
    """Return the gain of a student over the arm that it learns as; None of other models."""
    students = {student.name: student for student in record.students}
    for contrast in student_contrasts(record):
        arm = own_arm(record, students[contrast.arm])
        if contrast.arm == taken.name and arm is not None:
            return arm, contrast
    return None


def _over(record: StudyRecord, outcome: Verdict, taken: Offer, other: ArmRecord) -> Contrast | None:
    ensemble = record.ensemble(ENSEMBLE)
    if taken.kind == "ensemble" and ensemble is not None:
        return ensemble_contrast(record, ensemble, other)
    for contrast in outcome.contrasts:
        if (taken.name, other.name) == (outcome.focus, contrast.arm):
            return contrast
        if (taken.name, other.name) == (contrast.arm, outcome.focus) and contrast.difference:
            return replace(contrast, arm=other.name, difference=_turned(contrast.difference))
    model = next(arm for arm in record.arms_and_students if arm.name == taken.name)
    finalist = chosen(model)
    units = finalist.summary.resampled.units_in_words if finalist and finalist.summary else ""
    pair = other.name, arm_values(record, model), arm_values(record, other)
    (contrast,) = judged([pair], units)
    if contrast.difference is None or contrast.lacks:
        return contrast
    return replace(contrast, difference=replace(contrast.difference, lacks=ALONE))


def _turned(difference: Difference) -> Difference:
    """Return the difference seen from the other side."""
    low = None if difference.high is None else -difference.high
    high = None if difference.low is None else -difference.low
    return replace(difference, mean=-difference.mean, low=low, high=high)


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
    known = []
    for each in record.arms:
        so_far = record_facts.best_so_far(record, each)
        if so_far is not None:
            known.append((each, so_far))
    if not known:
        return html.tag("p", "No trial has finished with a value yet.")
    arm, steps = max(known, key=lambda pair: record.sign * pair[1].best)
    best_trial = f"Best on validation so far: trial {steps.best_trial} of {title(arm.name)} with "
    caveat = "One trial is one seed, so this is no ranking of the arms."
    objective = f" {record_facts.objective_in_words(record)}. {caveat}"
    return html.tag("p", best_trial, html.tag("b", numbers.metric(steps.best)), objective)


def _compared(record: StudyRecord) -> Markup:
    """Return what a study compared and how arms are represented, folded."""
    names = ", ".join(record_facts.arm_titles(record.arms)) or "none yet"
    trials = numbers.plural(record.budget.trials, "trial")
    budget = f"up to {trials} of {numbers.plural(record.budget.epochs, 'epoch')} each"
    arms = f"{numbers.plural(len(record.arms), 'arm')} ({names})"
    objective = record_facts.objective_in_words(record)
    sample = f", searched on {record.data.searched_on}" if record.data.sample else ""
    compared = f"{arms}, {budget}, selected by {objective} on validation{sample}."
    lines = html.bullets([compared, _selected(record)], "said")
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
    # Defaults were retrained beside the best trials, or are among them.
    is_beside = any(len(arm.finalists) > top for arm in retrained)
    has_default = is_beside or all(arm.default for arm in retrained)
    if top == 1 and not has_default:
        return f"The best configuration of each arm was {with_seeds}; it represents the arm."
    tuned = f"{top} best configurations" if top > 1 else "best configuration"
    were = "and its default were" if has_default else "were"
    criterion = "mean" if max(counts) > 1 else "value"
    return (
        f"The {tuned} of each arm {were} {with_seeds}; "
        f"the one with the best {criterion} on validation represents the arm."
    )


def _advice(record: StudyRecord, outcome: Verdict, shipped: Decision) -> Markup:
    """Return the lines, and one command with a button that copies it."""
    said = list(_lines(record, outcome))
    command = launch_command(record)
    if shipped.why == TOO_FEW:
        said = []
        command = decisive_command(record)
    elif shipped.taken is not None and record.state == "done":
        command = export_command(record, shipped.taken.name)
    heading = html.tag("h2", "What to do next")
    lines = html.bullets(said) if said else ""
    copy = html.tag("button", "Copy the command", data_copy=command, hidden=True)
    return html.tag("div", heading, lines, html.code_block(command), copy, class_="do")


def _lines(record: StudyRecord, outcome: Verdict) -> Iterator[html.Content]:
    if outcome.difference is None:  # a launch command also resumes its study
        if record.state != "done":
            yield "No decision yet: if the study stops, the same launch command resumes it."
        elif trains_on_all(record):
            yield "This was chosen on a sample: the report of the study that chose it compares it."
        elif len(record.arms) == 1:
            yield "Add an arm to the study: a result needs a baseline to be compared with."
        else:
            yield "No decision: see below what is missing, then launch the study again."
        return
    yield from _wider(record, next(arm for arm in record.arms if arm.name == outcome.focus))


def _remedy(outcome: Verdict) -> str:
    """Say what would turn an observation into a claim."""
    rival = next(contrast for contrast in outcome.contrasts if contrast.arm == outcome.rival)
    if not rival.units:
        return "Launch the study again before you decide on this: users are not counted yet."
    if rival.unit != "users":
        return "Name the column of users (`user`) and rename the study before you decide on this."
    return "Remove `finalists.shared_batches` and rename the study before you decide on this."


def _exceptions(outcome: Verdict, taken: Offer) -> str:
    """Name the cells in which the rival is shown to be better than the focus, if this is taken."""
    cells = worse_than_rival(outcome)
    if not cells or taken.name != outcome.focus:
        return ""
    names = [record_facts.cell_in_words(cell.name) for cell in cells]
    named = in_words(record_facts.first_few(names, MOST_CELLS))
    return f" Take {title(outcome.rival or '')} for {named}, where it is better on test."


def _wider(record: StudyRecord, focus: ArmRecord) -> Iterator[Markup]:
    settings = [
        f"{searched.name} = {numbers.setting(value)}"
        for searched, value, _ in record_facts.at_the_edge(record, focus)
    ]
    if settings:
        link = html.tag("a", "at the edge", href="#trust-range-edges")
        values = numbers.agree(len(settings), "a best value lies", "best values lie")
        advice = f"Widen the search of {title(focus.name)}: {values} "
        yield html.join([advice, link, f" of the range, {', '.join(settings)}."])
