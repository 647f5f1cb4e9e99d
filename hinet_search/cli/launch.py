"""Run: run or continue a study, then write its report."""

import shlex
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from hinet_search.cli._heard import WhileHeard
from hinet_search.cli._layout import Command, option
from hinet_search.cli._live import JsonLines, watching
from hinet_search.cli._options import as_typed, launch_options, run_options, study_argument
from hinet_search.cli._plan import origin_lines, plan_line, show_plan
from hinet_search.cli._speaking import as_json, speaking, verbose
from hinet_search.cli._voice import mark, voice
from hinet_search.cli._words import duration
from hinet_search.search.options import LaunchOptions
from hinet_search.search.progress import Event, Watcher

PLACES = ("storage", "output")
SAME_STUDY = ("size", "settings", "plugins")  # what makes another study of a file

if TYPE_CHECKING:
    from hinet_search.search.plan import Ready


@click.command(
    name="launch",
    cls=Command,
    codes=("3", "4", "5", "6", "129, 130, 143"),
    examples=(
        "hinet-search launch quickstart",
        "hinet-search launch studies/shop.yaml --slots 4 --trials 30",
        "hinet-search launch kuairand --size quick --output runs --set train.batch_size=4096",
    ),
)
@study_argument
@run_options
@option(
    "Over the study file",
    "--extend",
    is_flag=True,
    help="Go on with a stored study though its arms or ranges are wider.",
)
@option("Output", "--dry-run", is_flag=True, help="Only check, and print the plan.")
@option("Output", "--no-progress", is_flag=True, help="Plain lines even on a terminal.")
@as_json
@verbose
@speaking
def command(study: str, dry_run: bool, no_progress: bool, as_json: bool, **given: Any) -> None:  # noqa: FBT001  click
    """Run or continue STUDY: a path, a name in ./studies, or a shipped study.

    Ctrl-C stops safely; the same command goes on where it stopped, with the same budget. With --json every event is a
    JSON document on a line of its own.
    """
    if dry_run:
        show_plan(study, given, as_json=as_json)
    else:
        _launch(study, given, plain=no_progress, as_json=as_json)


def _launch(study: str, given: Mapping[str, Any], *, plain: bool, as_json: bool) -> None:
    from hinet_search.compare import to_take, verdict
    from hinet_search.errors import Interrupted
    from hinet_search.face import launch_ready, ready, report_path

    options, speaker = launch_options(given), voice()
    checked = ready(study, options, speaker.note)
    if checked.device.note:
        speaker.note(f"{mark('!!')}  {checked.device.note}")
    for line in origin_lines(checked.study, options) if speaker.verbose else ():
        speaker.note(line)
    written = _written(options)
    try:
        with WhileHeard(watching(speaker, plain=plain, as_json=as_json)) as watcher:
            _tell_plan(watcher, checked, options)
            record = launch_ready(checked, options, written, watcher)
    except Interrupted as error:
        error.remedy = f"go on:   {written}"
        raise
    path = report_path(checked.study, options)
    outcome, size = verdict(record), path.stat().st_size / 1e6
    sentence = outcome.sentence
    if as_json:
        JsonLines.line("done", study=record.name, seconds=round(record.seconds, 1), verdict=sentence, report=str(path))
        return
    click.echo(f"done in {duration(record.seconds)}: {sentence}")
    click.echo(f"report   {path} ({size:.2f} MB)")
    arm, _ = to_take(record, outcome)
    places = {name: given[name] for name in PLACES}
    further = _of_more_seeds(study, checked, given, options) if outcome.status == "observation" else []
    export = [_export(study, record.name, arm.name, given, options)] if arm is not None else []
    speaker.next(*(further or export), shlex.join(["hinet-search", "dashboard", *as_typed(places, options)]))


def _of_more_seeds(study: str, checked: "Ready", given: Mapping[str, Any], options: LaunchOptions) -> list[str]:
    """The command that runs the study at a size whose seeds are enough for a claim, where it has one."""
    from hinet_search.compare import SEEDS_FOR_A_CLAIM

    for size in checked.study.spec.sizes:
        if replace(options, size=size).load(study).spec.finalists.seeds >= SEEDS_FOR_A_CLAIM:
            said = {key: given[key] for key in (*SAME_STUDY, *PLACES) if key != "size"}
            return [shlex.join(["hinet-search", "launch", study, "--size", size, *as_typed(said, options)])]
    return []


def _export(study: str, name: str, arm: str, given: Mapping[str, Any], options: LaunchOptions) -> str:
    """The command that exports what the verdict speaks for."""
    said = {key: given[key] for key in (*SAME_STUDY, *PLACES)}
    return shlex.join(["hinet-search", "export", f"{study}/{arm}", "-o", f"{arm}-{name}", *as_typed(said, options)])


def _tell_plan(watcher: Watcher, checked: "Ready", options: LaunchOptions) -> None:
    """What is stored and what is to come; a study that is done has nothing to come."""
    from hinet_search.search.kept import planned
    from hinet_search.search.standing import standing

    stored = standing(checked, options)
    if stored is not None:
        watcher.event(Event("plan", f"goes on with {stored.done} of {stored.budget} trials"))
    if stored is None or stored.state != "done" or stored.done < stored.budget:
        watcher.event(Event("plan", plan_line(planned(checked, probe_seconds=0))))


def _written(options: LaunchOptions) -> str:
    """The command as it is stored and shown, without the password of a database."""
    from hinet_search.storage.address import parse_address

    words = ["hinet-search", *sys.argv[1:]]
    if options.storage and (address := parse_address(options.storage)).password is not None:
        words = [word.replace(options.storage, address.masked) for word in words]
    return shlex.join(words)
