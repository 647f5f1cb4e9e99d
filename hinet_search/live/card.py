"""Card of a study's progress: arms, trials under way, failures by cause, and when whoever runs it was heard last."""

from collections.abc import Iterator, Mapping

from markupsafe import Markup

from hinet_search.compare import title
from hinet_search.live import progress
from hinet_search.live.progress import ArmProgress, Unfinished
from hinet_search.records import StudyRecord
from hinet_search.report import numbers, reading
from hinet_search.report.card import Card
from hinet_search.report.figures import Axis, axis_over, bar, line, svg
from hinet_search.report.markup import column, head, join, note, number, row, scroll, table, tag, unnamed

MOST_TRIALS = 16
MOST_CAUSES = 5
MOST_LETTERS = 120


def build(record: StudyRecord, silent: float | None, optuna: Mapping[str, int]) -> Card:
    """The card. `silent` and `optuna` are as in storage/pulse.py."""
    body = [_arms(record, optuna), *_under_way(record), *_failures(record)]
    return Card("progress", "Progress", _heading(record), _lead(record, silent), join(body))


def ribbon(record: StudyRecord, silent: float | None) -> str:
    """What stands above the page of a study that is not done."""
    if record.state == "done":
        return ""
    if record.state == "running":
        return "Preliminary: the study is running, numbers may still change"
    return f"Preliminary: the study is {record.state}, {_last_heard(record, silent)}"


def roughly(seconds: float) -> str:
    """`40 s`, `4 min`, `3 h`, `2 d`: whole numbers of one unit."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{seconds // 10 * 10:.0f} s"


def optuna_page(study: int) -> str:
    """Address of one arm's page in optuna-dashboard."""
    return f"/dashboard/studies/{study}"


def _last_heard(record: StudyRecord, silent: float | None) -> str:
    """`coordinator silent for 4 min, last trial 2026-11-25 14:02 UTC`."""
    coordinator = "nobody runs it" if silent is None else f"coordinator silent for {roughly(silent)}"
    ended = progress.last_end(record)
    return f"{coordinator}, {f'last trial {_clock(ended)}' if ended else 'no trial has ended'}"


def _clock(moment: str) -> str:
    return f"{moment[:16].replace('T', ' ')} UTC"


def _heading(record: StudyRecord) -> str:
    to_go = numbers.plural(progress.missing(record), "trial")
    if record.state != "running":
        return f"{record.state.capitalize()} with {to_go} to go"
    if not progress.missing(record):
        return "All trials have ended; finalists are trained"
    left = progress.seconds_left(record)
    return f"{to_go} to go" if left is None else f"About {numbers.duration(left)} for {to_go} to go"


def _lead(record: StudyRecord, silent: float | None) -> Markup:
    if record.state != "running":
        heard = reading.capitalized(_last_heard(record, silent))
        command = record.command or f"hinet-search launch {record.name}"
        return join([f"{heard}. The same command goes on with it: ", tag("code", command), "."])
    found = progress.devices(record)
    where = f"; trials that ended were trained on {', '.join(found)}" if found else ""
    pace = f"At the pace of the last {progress.PACE} trials. " if progress.seconds_left(record) else ""
    return join([f"{pace}{numbers.plural(record.slots, 'slot')}{where}."])


def _arms(record: StudyRecord, optuna: Mapping[str, int]) -> Markup:
    focus = reading.focus_of(record)
    rows = [
        _arm(record, progress.of_arm(record, arm), optuna.get(arm.name), is_focus=arm == focus) for arm in record.arms
    ]
    counts = ("Complete", "Pruned", "Failed", "Rows/s", "Finalist runs")
    header = head("Arm", unnamed("progress"), "Ended", "Best", "At trial", *counts)
    legend = (
        f"Best {reading.objective_in_words(record)} on validation, and the trial that has it; rows a second of training, "
        "the median of the trials that ended. Names lead to the arm in Optuna's dashboard."
    )
    return join([scroll("Progress of the arms", table(header, rows, class_="search track")), note(legend)])


def _arm(record: StudyRecord, arm: ArmProgress, study: int | None, *, is_focus: bool) -> Markup:
    name = title(arm.name)
    linked = name if study is None else tag("a", name, href=optuna_page(study))
    return row(
        linked,
        bar(arm.ended / record.budget.trials),
        f"{arm.ended} of {record.budget.trials}",
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
    """Trials that have begun: they train, or wait for the launch that goes on with them."""
    found = progress.unfinished(record)
    if not found:
        return
    values = [value for trial in found for _, value in trial.points]
    x_axis, y_axis = Axis(0.0, record.budget.passes), axis_over(values or [0.0], margin=0.1)
    rows = [_trial(trial, record, x_axis, y_axis) for trial in found[:MOST_TRIALS]]
    header = head("Trial", "Pass", "Value", column("Evaluations so far"), "Began", "Attempt")
    label = "Trials under way" if record.state == "running" else "Trials that the next launch goes on with"
    left = len(found) - MOST_TRIALS
    yield tag("h3", label)
    yield scroll(label, table(header, rows, class_="search"))
    if left > 0:
        yield note(f"And {numbers.plural(left, 'more trial')}.")


def _trial(trial: Unfinished, record: StudyRecord, x_axis: Axis, y_axis: Axis) -> Markup:
    name = f"{title(trial.arm)} / {trial.number}"
    passes, value = trial.points[-1] if trial.points else (0.0, None)
    spoken = f"{name}: {numbers.plural(len(trial.points), 'evaluation')}, the last {numbers.metric(value)}"
    shapes = [line(trial.points, x_axis, y_axis)] if len(trial.points) > 1 else []
    return row(
        name,
        f"{passes:.3g} of {record.budget.passes:.3g}",
        numbers.metric(value),
        tag("td", tag("div", svg(*shapes), role="img", aria_label=spoken), class_="sp"),
        _clock(trial.started) if trial.started else numbers.DASH,
        str(trial.attempt),
    )


def _failures(record: StudyRecord) -> Iterator[Markup]:
    """Failed trials by cause; the card of failures has all of them."""
    found = progress.causes(record)
    if found:
        rows = [row(_shortened(cause), numbers.compact(count)) for cause, count in found.most_common(MOST_CAUSES)]
        yield tag("h3", "Failed trials by cause")
        yield scroll("Failed trials by cause", table(head("Cause", "Trials"), rows))
        yield note(tag("a", "All causes, by arm", href="#failures"))


def _shortened(cause: str) -> str:
    return cause if len(cause) <= MOST_LETTERS else f"{cause[:MOST_LETTERS]}…"
