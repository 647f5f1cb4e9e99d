"""Card: a study's progress, with its arms, running trials, failures by cause and last heartbeat."""

from collections.abc import Iterator, Mapping

from markupsafe import Markup

from hinet_search.dashboard import progress
from hinet_search.dashboard.progress import ArmStatus, RunningTrial
from hinet_search.report import numbers, record_facts
from hinet_search.report.figures import Axis, axis_over, bar, line, svg
from hinet_search.report.html import (
    column,
    head,
    join,
    note,
    number,
    row,
    scroll,
    table,
    tag,
    unnamed,
)
from hinet_search.report.sections import Card
from hinet_search.results.causes import shortened
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title

MOST_TRIALS = 16
MOST_CAUSES = 5
MOST_LETTERS = 120


def build(record: StudyRecord, silent: float | None, optuna: Mapping[str, int]) -> Card:
    """Build the card.

    `silent` is the seconds since the last heartbeat, None if no launch is running; `optuna` is the
    number of each arm's copy in Optuna.
    """
    body = [_arms(record, optuna), *_under_way(record), *_failures(record)]
    return Card("progress", "Progress", _heading(record), _lead(record, silent), join(body))


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


def optuna_page(study: int) -> str:
    """Return the path of an arm's page in optuna-dashboard."""
    return f"/dashboard/studies/{study}"


def _last_seen(record: StudyRecord, silent: float | None) -> str:
    """Return `no heartbeat for 4 min, last trial 2026-11-25 14:02 UTC`."""
    heartbeat = "no launch is running"
    if silent is not None:
        heartbeat = f"no heartbeat for {roughly(silent)}"
    ended = progress.last_end(record)
    last_trial = f"last trial {_clock(ended)}" if ended else "no trial has ended"
    return f"{heartbeat}, {last_trial}"


def _clock(moment: str) -> str:
    return f"{moment[:16].replace('T', ' ')} UTC"


def _heading(record: StudyRecord) -> str:
    trials = numbers.plural(progress.missing(record), "trial")
    if record.state != "running":
        return f"{record.state.capitalize()} with {trials} to go"
    ended, most = progress.finalist_runs(record)
    of_finalists = _about(progress.seconds_of_finalists(record))
    if not progress.missing(record):
        return f"Training the finalists: {ended} of at most {most} have ended{of_finalists}"
    of_trials = _about(progress.seconds_left(record))
    trainings = numbers.plural(most - ended, "training")
    return f"{trials} to go{of_trials}, then up to {trainings} of finalists{of_finalists}"


def _about(seconds: float | None) -> str:
    return "" if seconds is None else f", about {numbers.duration(seconds)}"


def _lead(record: StudyRecord, silent: float | None) -> Markup:
    if record.state != "running":
        last_seen = record_facts.capitalized(_last_seen(record, silent))
        command = record.command or f"hinet-search launch {record.name}"
        return join([f"{last_seen}. To resume it: ", tag("code", command), "."])
    text = numbers.plural(record.slots, "slot")
    devices = progress.devices(record)
    if devices:
        text += f"; trials so far were trained on {', '.join(devices)}"
    if progress.seconds_left(record):
        text = f"At the pace of the last {progress.PACE} trials. {text}"
    if record.budget.student_trials and not record.students:
        text += "; students follow"
    return join([f"{text}."])


def _arms(record: StudyRecord, optuna: Mapping[str, int]) -> Markup:
    focus = record_facts.focus_of(record)
    rows = [
        _arm(progress.arm_status(record, arm), optuna.get(arm.name), is_focus=arm == focus)
        for arm in record.arms_and_students
    ]
    counts = ("Complete", "Pruned", "Failed", "Rows/s", "Finalist runs")
    header = head("Arm", unnamed("progress"), "Ended", "Best", "At trial", *counts)
    legend = (
        f"Best {record_facts.objective_in_words(record)} on validation, with its trial. Rows/s: "
        "training, median of the ended trials. Names link to Optuna's dashboard."
    )
    return join(
        [scroll("Progress of the arms", table(header, rows, class_="search track")), note(legend)]
    )


def _arm(arm: ArmStatus, study: int | None, *, is_focus: bool) -> Markup:
    name = title(arm.name)
    linked = name if study is None else tag("a", name, href=optuna_page(study))
    return row(
        linked,
        bar(arm.ended / arm.budget),
        f"{arm.ended} of {arm.budget}",
        numbers.metric(arm.best),
        numbers.DASH if arm.best_trial is None else str(arm.best_trial),
        numbers.compact(arm.complete),
        numbers.compact(arm.pruned),
        number(numbers.compact(arm.failed), class_="loss" if arm.failed else ""),
        numbers.DASH if arm.rows_per_second is None else numbers.compact(arm.rows_per_second),
        numbers.compact(arm.finalist_runs),
        class_="me" if is_focus else "",
    )


def _under_way(record: StudyRecord) -> Iterator[Markup]:
    """Yield the table of unfinished trials, which are training or wait for the next launch."""
    trials = progress.running_trials(record)
    if not trials:
        return
    values = list[float]()
    for trial in trials:
        values += [value for _, value in trial.points]
    x_axis = Axis(0.0, record.budget.passes)
    y_axis = axis_over(values or [0.0], margin=0.1)
    rows = [_trial(trial, record, x_axis, y_axis) for trial in trials[:MOST_TRIALS]]
    header = head("Trial", "Pass", "Value", column("Evaluations so far"), "Started", "Attempt")
    is_running = record.state == "running"
    label = "Running trials" if is_running else "Trials that the next launch resumes"
    left = len(trials) - MOST_TRIALS
    yield tag("h3", label)
    yield scroll(label, table(header, rows, class_="search"))
    if left > 0:
        yield note(f"And {numbers.plural(left, 'more trial')}.")


def _trial(trial: RunningTrial, record: StudyRecord, x_axis: Axis, y_axis: Axis) -> Markup:
    name = f"{title(trial.arm)} / {trial.number}"
    passes, value = trial.points[-1] if trial.points else (0.0, None)
    evaluations = numbers.plural(len(trial.points), "evaluation")
    spoken = f"{name}: {evaluations}, the last {numbers.metric(value)}"
    shapes = [line(trial.points, x_axis, y_axis)] if len(trial.points) > 1 else []
    return row(
        name,
        f"{numbers.plain(passes)} of {numbers.plain(record.budget.passes)}",
        numbers.metric(value),
        tag("td", tag("div", svg(*shapes), role="img", aria_label=spoken), class_="sp"),
        _clock(trial.started) if trial.started else numbers.DASH,
        str(trial.attempt),
    )


def _failures(record: StudyRecord) -> Iterator[Markup]:
    """Yield the most frequent causes of failure; the card of failures has all of them."""
    causes = progress.causes(record)
    if causes:
        rows = [
            row(shortened(cause, MOST_LETTERS), numbers.compact(count))
            for cause, count in causes.most_common(MOST_CAUSES)
        ]
        yield tag("h3", "Failed trials by cause")
        yield scroll("Failed trials by cause", table(head("Cause", "Trials"), rows))
        yield note(tag("a", "All causes, by arm", href="#failures"))
