"""Run: run or resume a study, then write its report."""

import shlex
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hinet_search.cli.options import (
    PLUGIN,
    RUN,
    SETTINGS,
    SIZE,
    VARIANT,
    Command,
    as_json_lines,
    as_typed,
    each_variant,
    launch_options,
    output_options,
    places,
    study_argument,
    study_options,
    verbose,
    words_typed,
)
from hinet_search.cli.output import OutputLost, echo, mark, output
from hinet_search.common.amounts import byte_size, duration
from hinet_search.common.terminal import table_text

PLACES = ("storage", "output")

if TYPE_CHECKING:
    from hinet_search.results.opened_models import Decision
    from hinet_search.results.study_record import StudyRecord
    from hinet_search.search.plan.prepare import PreparedStudy
    from hinet_search.search.progress import Watcher
    from hinet_search.study.launch_options import LaunchOptions


@click.command(
    name="launch",
    cls=Command,
    codes=("3", "4", "5", "6", "129, 130, 143"),
    examples=(
        "hinet-search launch quickstart",
        "hinet-search launch studies/shop.yaml --slots 4 --trials 30",
        "hinet-search launch studies/rows.yaml --size full --set train.batch_size=4096",
    ),
)
@study_argument
@study_options(
    *RUN,
    PLUGIN,
    SIZE,
    VARIANT,
    SETTINGS,
    click.option(
        "--extend",
        is_flag=True,
        help="Resume a stored study although its arms or ranges are wider.",
    ),
)
@places
@output_options(as_json_lines, verbose)
def command(
    study: str,
    as_json: bool,  # noqa: FBT001  click passes flags by name
    **given: Any,
) -> None:
    """Run or resume STUDY: a path, a name in ./studies, or a shipped study. Of a study with
    variants, all are run, one after another; if one fails, the others are run nevertheless.

    Ctrl-C stops safely; the same command resumes where it stopped, with the same budget.
    With --json every event is a JSON document on its own line.
    """
    each_variant(study, given, partial(_launch, study, as_json=as_json))


def _launch(study: str, given: Mapping[str, Any], *, as_json: bool) -> None:
    from hinet_search.api import launch_ready, ready
    from hinet_search.cli.plan_text import origin_table
    from hinet_search.cli.progress import TolerantWatcher, watching
    from hinet_search.common.errors import Interrupted

    options = launch_options(given)
    out = output()
    checked = ready(study, options, out.note)
    if checked.device.note:
        out.note(mark("!!"), f"  {checked.device.note}")
    if out.verbose:
        out.note(origin_table(checked.study, options))
    command_line = _written(options)
    try:
        with TolerantWatcher(watching(out, as_json=as_json)) as watcher:
            _print_plan(watcher, checked, options)
            record = launch_ready(checked, options, command_line, watcher)
    except Interrupted as error:
        error.remedy = f"resume: {shlex.join(words_typed(options))}"
        raise
    _print_outcome(record, checked, given, as_json=as_json)


def _print_outcome(
    record: "StudyRecord", checked: "PreparedStudy", given: Mapping[str, Any], *, as_json: bool
) -> None:
    """Print the verdict, the path of the report, what to take, and the commands to run next."""
    from hinet_search.api import report_path
    from hinet_search.cli.progress import JsonLines
    from hinet_search.report.commands import decisive_command, export_command
    from hinet_search.results.decision import TOO_FEW, decided
    from hinet_search.results.verdict import verdict

    options = launch_options(given)
    outcome = verdict(record)
    path = report_path(checked.study, options)
    shipped = decided(record, outcome)
    try:
        if as_json:
            seconds = round(record.seconds, 1)
            said = outcome.sentence
            JsonLines.line(
                "done", study=record.name, seconds=seconds, verdict=said, report=str(path)
            )
            return
        _print_result(record, outcome.sentence, path, shipped)
    except OutputLost as error:
        error.remedy = f"the study is done and stored, its report is {path}"
        raise
    commands = []
    if shipped.why == TOO_FEW:
        commands = [decisive_command(record)]
    elif shipped.taken is not None:
        commands = [export_command(record, shipped.taken.name)]
    folders = {name: given[name] for name in PLACES}
    dashboard = shlex.join(["hinet-search", "dashboard", *as_typed(folders, options)])
    output().next(*commands, dashboard)


def _print_result(record: "StudyRecord", sentence: str, path: Path, shipped: "Decision") -> None:
    from hinet_search.results.verdict import title

    echo(f"done in {duration(record.seconds)}: {sentence}")
    name = title(shipped.taken.name) if shipped.taken else "nothing"
    report = f"{path} ({byte_size(path.stat().st_size)})"
    echo(table_text([("report", report), ("take", f"{name}: {shipped.why}")]))


def _print_plan(watcher: "Watcher", checked: "PreparedStudy", options: "LaunchOptions") -> None:
    """Print what is stored and, unless the study is done, what is planned."""
    from hinet_search.search.machine import busy_cores
    from hinet_search.search.plan.forecast import make_plan
    from hinet_search.search.progress import Event
    from hinet_search.search.stored_study import find_stored_study

    stored = find_stored_study(checked, options)
    if stored is not None:
        watcher.event(Event("plan", f"resumes with {stored.done} of {stored.budget} trials"))
    if stored is None or stored.state != "done" or stored.done < stored.budget:
        watcher.event(Event("plan", make_plan(checked, probe_seconds=0).in_words))
        for line in busy_cores(checked):
            watcher.event(Event("plan", line))


def _written(options: "LaunchOptions") -> str:
    """Return the command as it is stored, which launches this variant alone."""
    words = words_typed(options)
    is_typed = any(word.startswith("--variant") for word in words)
    if options.variant is not None and not is_typed:
        words += ["--variant", options.variant]
    return shlex.join(words)
