"""Card: a study's progress, with its arms, running trials, failures by cause and last heartbeat."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from math import isfinite
from statistics import median

from markupsafe import Markup

from hinet_search.report import numbers, record_facts
from hinet_search.report.figures import (
    Axis,
    CostPoint,
    TimeAxis,
    axis_near_the_best,
    axis_over,
    bar,
    dots,
    grid,
    line,
    plot_box,
    svg,
)
from hinet_search.report.html import column, head, join, note, number, row, table, tag, unnamed
from hinet_search.report.sections import Card
from hinet_search.results.causes import shortened, trials_by_cause
from hinet_search.results.records import ArmRecord, TrialRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

MOST_TRIALS = 16
MOST_CAUSES = 5
MOST_LETTERS = 120


def build(
    record: StudyRecord,
    silent: float | None,
    optuna: Mapping[str, int],
    left: float | None = None,
) -> Card:
    """Build the card.

    `silent` is the seconds since the last heartbeat, None if no launch is running; `optuna` is the
    number of each arm's copy in Optuna; `left` is the seconds left, as the launch's terminal shows.
    """
    body = [_arms(record, optuna), *_over_time(record), *_under_way(record), *_failures(record)]
    return Card("progress", "Progress", _heading(record, left), _lead(record, silent), join(body))


def ribbon(record: StudyRecord, silent: float | None) -> str:
    """Return the ribbon above the page of a study that is not done; empty once it is."""
    if record.state == "done":
        return ""
    if record.state == "running":
        return "Preliminary: the study is running, numbers may still change"
    return f"Preliminary: the study is {record.state}, {_last_seen(record, silent)}"


def roughly(seconds: float) -> str:
    """Format a duration in whole numbers of one unit: `40 s`, `4 min`, `3 h`, `2 d`."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds // 10 * 10:.0f} s"


def _last_seen(record: StudyRecord, silent: float | None) -> str:
    """Return `no heartbeat for 4 min, last trial 2026-11-25 14:02 UTC`."""
    heartbeat = "no launch is running"
    if silent is not None:
        heartbeat = f"no heartbeat for {roughly(silent)}"
    ended = _ended(record)
    last_trial = f"last trial {_clock(ended[-1].finished)}" if ended else "no trial has ended"
    return f"{heartbeat}, {last_trial}"


def _clock(moment: str) -> str:
    return f"{moment[:16].replace('T', ' ')} UTC"


def _heading(record: StudyRecord, left: float | None) -> str:
    trials = numbers.plural(missing(record), "trial")
    if record.state != "running":
        return f"{record.state.capitalize()} with {trials} to go"
    ended, most = finalist_runs(record)
    about = "" if left is None else f", about {numbers.duration(left)} left"
    if not missing(record):
        return f"Training the finalists: {ended} of at most {most} have ended{about}"
    trainings = numbers.plural(most - ended, "training")
    return f"{trials} to go, then up to {trainings} of finalists{about}"


def _lead(record: StudyRecord, silent: float | None) -> Markup:
    if record.state != "running":
        last_seen = record_facts.capitalized(_last_seen(record, silent))
        command = record.command or f"hinet-search launch {record.name}"
        return join([f"{last_seen}. To resume it: ", tag("code", command), "."])
    text = numbers.plural(record.slots, "slot")
    devices = {trial.cost.device for trial in _ended(record) if trial.cost is not None}
    if devices:
        text += f"; trials so far were trained on {', '.join(sorted(devices))}"
    if record.budget.student_trials and not record.students:
        text += "; students follow"
    return join([f"{text}."])


def _arms(record: StudyRecord, optuna: Mapping[str, int]) -> Markup:
    rows = [_arm(record, arm, optuna.get(arm.name)) for arm in record.arms_and_students]
    counts = ("Complete", "Pruned", "Failed", "Rows/s", "Finalist runs")
    header = head("Arm", unnamed("progress"), "Ended", "Best", "At trial", *counts)
    legend = (
        f"Best {record_facts.objective_in_words(record)} on validation, with its trial. Rows/s: "
        "training, median of the ended trials. Names link to Optuna's dashboard."
    )
    return join([table("Progress of the arms", header, rows, class_="search track"), note(legend)])


def _arm(record: StudyRecord, arm: ArmRecord, study: int | None) -> Markup:
    """Return an arm's row; ended trials are without duplicates and oversized draws."""
    states = record_facts.states(arm)
    steps = record_facts.best_so_far(record, arm)
    budget = record.budget_of(arm)
    speeds = [trial.cost.rows_per_second for trial in arm.trials if trial.cost is not None]
    name: Markup | str = title(arm.name)
    if study is not None:
        name = tag("a", name, href=f"/dashboard/studies/{study}")
    return row(
        name,
        bar(arm.trials_done / budget),
        f"{arm.trials_done} of {budget}",
        numbers.metric(steps.best if steps else None),
        str(steps.best_trial) if steps else numbers.DASH,
        numbers.compact(states["complete"]),
        numbers.compact(states["pruned"]),
        number(numbers.compact(states["failed"]), class_="loss" if states["failed"] else ""),
        numbers.compact(median(speeds)) if speeds else numbers.DASH,
        numbers.compact(sum(len(finalist.runs) for finalist in arm.finalists)),
        class_="me" if arm == record_facts.focus_of(record) else "",
    )


def _over_time(record: StudyRecord) -> Iterator[Markup]:
    """Yield the picture of the values of all trials at their ends, and the best one so far."""
    ended = _ended(record)
    began = min((trial.started or trial.finished for trial in ended), default="")
    points = list(_at_ends(ended, began))
    if len(points) < 2:
        return
    focus = record_facts.focus_of(record)
    of_focus = list(_at_ends(focus.trials, began)) if focus else []
    best = points[:1]
    for when, value in points:
        if record.sign * value > record.sign * best[-1][1]:
            best.append((when, value))
    values = [value for _, value in points]
    y_axis = axis_near_the_best(values, [best[-1][1]], maximize=record.maximize)
    clock = TimeAxis(Axis(0.0, 1.02 * points[-1][0] or 1.0), log=False)
    inside = [point for point in best if y_axis.low <= point[1] <= y_axis.high]
    steps = record_facts.as_steps(inside, points[-1][0])
    shapes = [
        line(steps, clock.axis, y_axis, "mid"),
        dots(points, clock.axis, y_axis),
        dots(of_focus, clock.axis, y_axis, "dots me"),
    ]
    label = tag("span", "since the first trial began", class_="xt")
    spoken = f"{len(points)} trials, the best so far {numbers.metric(best[-1][1])}"
    box = plot_box([grid(y_axis), *clock.labels(), svg(*shapes), label], spoken)
    num_outside = sum(not y_axis.low <= value <= y_axis.high for value in values)
    legend = "Dots: complete trials at their ends. Line: the best one so far."
    if focus and of_focus:
        legend += f" Blue: {title(focus.name)}."
    if num_outside:
        legend += f" Outside the picture: {numbers.plural(num_outside, 'worse trial')}."
    objective = record_facts.capitalized(record_facts.objective_in_words(record))
    yield tag("h3", f"{objective} of all trials over time")
    yield join([tag("div", box, class_="picture"), note(legend)])


def _at_ends(trials: Iterable[TrialRecord], began: str) -> Iterator[CostPoint]:
    """Yield the seconds from `began` to the end of each complete trial, and its value."""
    for trial in trials:
        if trial.counts and trial.finished and trial.value is not None:
            since = datetime.fromisoformat(trial.finished) - datetime.fromisoformat(began)
            yield since.total_seconds(), trial.value


def _under_way(record: StudyRecord) -> Iterator[Markup]:
    """Yield the table of unfinished trials: they train, or wait for the next launch."""
    trials: list[tuple[str, TrialRecord]] = []
    values: list[float] = []
    for arm in record.arms_and_students:
        for trial in arm.trials:
            if trial.state == "running":
                trials.append((arm.name, trial))
                values += [value for _, value in _points(trial)]
    if not trials:
        return
    trials.sort(key=lambda pair: (pair[1].started, pair[0], pair[1].number))
    x_axis = Axis(0.0, record.budget.epochs)
    y_axis = axis_over(values or [0.0], margin=0.1)
    rows = [_trial(name, trial, x_axis, y_axis) for name, trial in trials[:MOST_TRIALS]]
    header = head("Trial", "Epoch", "Value", column("Evaluations so far"), "Started", "Attempt")
    is_running = record.state == "running"
    label = "Running trials" if is_running else "Trials that the next launch resumes"
    left = len(trials) - MOST_TRIALS
    yield tag("h3", label)
    yield table(label, header, rows, class_="search")
    if left > 0:
        yield note(f"And {numbers.plural(left, 'more trial')}.")


def _trial(arm: str, trial: TrialRecord, x_axis: Axis, y_axis: Axis) -> Markup:
    name = f"{title(arm)} / {trial.number}"
    points = _points(trial)
    epochs, value = points[-1] if points else (0.0, None)
    evaluations = numbers.plural(len(points), "evaluation")
    spoken = f"{name}: {evaluations}, the last {numbers.metric(value)}"
    shapes = [line(points, x_axis, y_axis)] if len(points) > 1 else []
    return row(
        name,
        f"{numbers.plain(epochs)} of {numbers.plain(x_axis.high)}",
        numbers.metric(value),
        tag("td", tag("div", svg(*shapes), role="img", aria_label=spoken), class_="sp"),
        _clock(trial.started) if trial.started else numbers.DASH,
        str(trial.attempt),
    )


def _points(trial: TrialRecord) -> list[tuple[float, float]]:
    """Return epochs and value of the evaluations that are numbers."""
    points = [(each.epochs, each.objective) for each in trial.evaluations]
    return [point for point in points if isfinite(point[1])]


def _failures(record: StudyRecord) -> Iterator[Markup]:
    """Yield the most frequent causes of failure; the card of failures has all of them."""
    failed = trials_by_cause(trial for trial in _counted(record) if trial.state == "failed")
    counts = Counter({cause: len(trials) for cause, trials in failed.items()})
    if counts:
        rows = [
            row(shortened(cause, MOST_LETTERS), numbers.compact(count))
            for cause, count in counts.most_common(MOST_CAUSES)
        ]
        yield tag("h3", "Failed trials by cause")
        yield table("Failed trials by cause", head("Cause", "Trials"), rows)
        yield note(tag("a", "All causes, by arm", href="#failures"))


def missing(record: StudyRecord) -> int:
    """Count the trials still to come."""
    return sum(record.budget_of(arm) - arm.trials_done for arm in record.arms_and_students)


def finalist_runs(record: StudyRecord) -> tuple[int, int]:
    """Return how many trainings of finalists have ended, and how many there are at most.

    These are of arms and of students that have begun.
    """
    ended = 0
    most = 0
    for arm in record.arms_and_students:
        runs = sum(len(finalist.runs) for finalist in arm.finalists)
        ended += runs
        most += max(runs, record.most_finalists_of(arm) * record.budget.finalist_seeds)
    return ended, most


def _ended(record: StudyRecord) -> list[TrialRecord]:
    """Return the ended trials that count against the budget, in the order of their ends."""
    ended = (trial for trial in _counted(record) if trial.finished)
    return sorted(ended, key=lambda trial: trial.finished)


def _counted(record: StudyRecord) -> Iterator[TrialRecord]:
    """Yield the trials that count against the budget, by arm."""
    for arm in record.arms_and_students:
        yield from (trial for trial in arm.trials if trial.counts)
