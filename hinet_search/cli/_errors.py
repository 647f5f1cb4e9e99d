"""Errors on the command line: every problem with its line of the file, what to do, and the command to try next."""

import shlex
from pathlib import Path
from typing import Any

import click
from click.exceptions import NoArgsIsHelpError

from hinet_search.cli._document import print_document
from hinet_search.cli._excerpt import PLACE, excerpt
from hinet_search.cli._voice import voice_of
from hinet_search.errors import (
    AllTrialsFailed,
    EnvironmentFault,
    HinetSearchError,
    Interrupted,
    StudyConflict,
    nearest,
)
from hinet_search.plugins import names
from hinet_search.shipped import is_known, known_names

COMMANDS = "hinet_search.cli"


def show_error(error: HinetSearchError, context: click.Context) -> None:
    """Print an error on stderr; with --json as a document on stdout."""
    following = next_command(error, context)
    if context.params.get("as_json"):
        print_document(
            "error", code=error.exit_code, problems=list(_placed(error)), remedy=error.remedy, next=following
        )
        return
    many = len(error.problems) > 1
    if many:
        _say(f"{_red('error:')} {len(error.problems)} problems; nothing was started\n")
    for problem in error.problems:
        alone = "" if many or isinstance(error, Interrupted) else f"{_red('error:')} "
        _say(f"{alone}{problem}")
        for line in excerpt(problem) or ():
            _say(line)
    if error.remedy:
        _say(error.remedy)
    if following:
        voice_of(context).next(following)


def show_usage_error(error: click.ClickException) -> None:
    """A wrong option or argument: what is wrong, how the command is used, and where its options are told."""
    if isinstance(error, NoArgsIsHelpError):
        _say(error.format_message())
        return
    _say(f"{_red('error:')} {_usage_in_words(error)}")
    context = getattr(error, "ctx", None)
    if isinstance(context, click.Context):
        _say(context.get_usage())
        voice_of(context).next(f"{context.command_path} --help")


def _usage_in_words(error: click.ClickException) -> str:
    """What is wrong, behind the name of its option or argument."""
    parameter = error.param if isinstance(error, click.BadParameter) else None
    if isinstance(error, click.MissingParameter) and isinstance(parameter, click.Argument):
        known = f": a path, or one of {', '.join(known_names('studies'))}" if parameter.name == "study" else ""
        return f"{parameter.human_readable_name} must be given{known}"
    if parameter is not None and error.message.startswith("must "):
        return f"{max(parameter.opts, key=len)} {error.message}"
    return error.format_message()


def next_command(error: HinetSearchError, context: click.Context) -> str:
    """The command to try after an error; empty where the remedy has it."""
    study = context.params.get("study")
    if error.remedy.startswith("launch a study first"):
        return f"hinet-search launch {shlex.quote(study) if study and is_known('studies', study) else 'quickstart'}"
    if isinstance(error, Interrupted) or any(f"hinet-search {name}" in error.remedy for name in names(COMMANDS)):
        return ""
    if isinstance(error, StudyConflict) or context.info_name == "report":
        return "hinet-search doctor" if context.info_name == "status" else "hinet-search status"
    if isinstance(error, EnvironmentFault):
        return "" if context.info_name == "doctor" else "hinet-search doctor"
    if isinstance(error, AllTrialsFailed) and study:
        return f"hinet-search report {shlex.quote(study)}"
    return _with_a_right_study(study, context.command_path)


def _with_a_right_study(study: str | None, command: str) -> str:
    """Check the study that is wrong; where there is none of its name, the command with the nearest one."""
    if study is not None and is_known("studies", study):
        return f"hinet-search check {shlex.quote(study)}"
    likely = nearest(Path(study or "").stem, known_names("studies"))
    return f"{command} {shlex.quote(likely)}" if likely else f"{command} --help"


def _placed(error: HinetSearchError) -> list[dict[str, Any]]:
    """Each problem with file, line and column where it begins with them."""
    found = []
    for problem in error.problems:
        place = PLACE.match(problem)
        where = {"file": place["file"], "line": int(place["line"]), "column": int(place["column"])} if place else {}
        found.append({**where, "text": problem[place.end() :] if place else problem})
    return found


def _red(text: str) -> str:
    return click.style(text, fg="red", bold=True)


def _say(text: str) -> None:
    click.echo(text, err=True)
