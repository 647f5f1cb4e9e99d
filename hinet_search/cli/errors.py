"""Errors: print each problem with the line of its file, the remedy, and the command to try next.

An exception of any other class is a bug of hinet-search, or of the plug-in that raised it: it is
printed as one line with its cause; --debug shows the traceback.
"""

import errno
import re
import shlex
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from click.exceptions import NoArgsIsHelpError

from hinet_search.cli.output import (
    OutputLost,
    ReaderClosed,
    Styled,
    echo_error,
    output_of,
    print_document,
)
from hinet_search.common.errors import (
    AllTrialsFailed,
    EnvironmentFault,
    HinetSearchError,
    Interrupted,
    StudyConflict,
    hide_passwords,
    nearest,
    shortened,
)
from hinet_search.common.files import refusal
from hinet_search.common.gone import gone
from hinet_search.common.plugins import at_fault, names, what_it_did
from hinet_search.common.terminal import printable
from hinet_search.study.find_file import is_known, known_names

COMMANDS = "hinet_search.cli.commands"
PLACE = re.compile(r"(?P<file>[^\s:][^:\n]*\.ya?ml):(?P<line>\d+):(?P<column>\d+): ")
WORD = re.compile(r"""'(?:[^']|'')*'|"(?:\\.|[^"\\])*"|[^\s:,\[\]{}]+|.""")
EXCERPT_WIDTH = 100
EXIT_CODES = (
    ("0", "done"),
    ("1", "a bug of hinet-search or of a plug-in: --debug shows the traceback"),
    ("2", "usage or configuration"),
    ("3", "data"),
    ("4", "environment: database, device, disk, port"),
    ("5", "study conflict"),
    ("6", "every trial failed"),
    ("141", "the reader of stdout has ended, as `| head` does"),
    ("129, 130, 143", "stopped by a closed terminal, Ctrl-C, SIGTERM; the same command resumes"),
)
# What a process may run out of, by the number of the system's error, and the limit to raise.
LIMITS = {
    errno.EMFILE: ("open files", "ulimit -n"),
    errno.ENFILE: ("open files", "fs.file-max"),
    errno.EAGAIN: ("processes", "ulimit -u"),
    errno.ENOMEM: ("memory", "ulimit -v"),
}
NO_ROOM = "failed to map segment"  # of a library that is loaded
_ERROR = Styled("error:", "red", bold=True)
_PACKAGE = Path(__file__).parents[1]


def report_error(error: BaseException, context: click.Context) -> int:
    """Print an error of any class that ended a command; return the exit code."""
    known = _at_a_limit(error) if isinstance(error, HinetSearchError) else fault(error)
    if context.find_root().params.get("debug"):
        import traceback

        text = "".join(traceback.format_exception(error)).rstrip("\n")
        echo_error(hide_passwords(text))
    elif not isinstance(known, ReaderClosed):
        show_error(known, context)
    return known.exit_code


def write_exit_codes(formatter: click.HelpFormatter, codes: Sequence[str] = ()) -> None:
    """Write the meaning of some exit codes, by default of all."""
    rows = [(code, meaning) for code, meaning in EXIT_CODES if code in codes or not codes]
    with formatter.section("Exit codes"):
        formatter.write_dl(rows)


def fault(error: BaseException) -> HinetSearchError:
    """Describe an unexpected exception in one line: its class, message, and place in our code.

    A limit of the system is no bug, but an EnvironmentFault, and so is a path that it refuses.
    """
    import traceback

    if plugin := at_fault(error):
        return HinetSearchError(
            f"plug-in {plugin} failed: {what_it_did(error)}",
            remedy="stored results stay. `hinet-search --debug COMMAND` shows the traceback",
        )
    if refused := refusal(error):
        return refused
    first_line, *_ = [*str(error).splitlines(), ""]
    message = shortened(first_line)
    reason = f": {message}" if message else ""
    frames = traceback.extract_tb(error.__traceback__)
    own_frames = [frame for frame in frames if _PACKAGE in Path(frame.filename).parents]
    where = ""
    if own_frames:
        frame = own_frames[-1]
        where = f" ({frame.name} in {Path(frame.filename).relative_to(_PACKAGE)}:{frame.lineno})"
    limit_of = LIMITS.get(error.errno or 0) if isinstance(error, OSError) else None
    if isinstance(error, ImportError) and NO_ROOM in str(error):
        limit_of = LIMITS[errno.ENOMEM]
    if limit_of is not None:
        what, limit = limit_of
        return EnvironmentFault(
            f"the system gives this process no more {what}: {type(error).__name__}{reason}{where}",
            remedy=_raise_limit(limit),
        )
    return HinetSearchError(
        f"unexpected {type(error).__name__}{reason}{where}",
        remedy="this is a bug of hinet-search; stored results stay. "
        "`hinet-search --debug COMMAND` shows the traceback to report",
    )


def _at_a_limit(error: HinetSearchError) -> HinetSearchError:
    """An error as it is, or with the limit to raise if too many open files caused it."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in (errno.EMFILE, errno.ENFILE):
            _, limit = LIMITS[cause.errno]
            return EnvironmentFault(*error.problems, remedy=_raise_limit(limit))
        cause = cause.__cause__
    return error


def _raise_limit(limit: str) -> str:
    return f"raise the limit ({limit}), or use fewer slots; stored results stay"


def show_error(error: HinetSearchError, context: click.Context) -> None:
    """Print an error on stderr; with --json as a document on stdout, if that can be written."""
    command = next_command(error, context)
    if context.params.get("as_json") and not isinstance(error, OutputLost):
        problems = list(map(_with_place, error.problems))
        with suppress(OutputLost):
            print_document(
                "error", code=error.exit_code, problems=problems, remedy=error.remedy, next=command
            )
            return
    _print_problems(error)
    if error.remedy:
        echo_error(Styled(error.remedy))
    if command:
        output_of(context).next(command)


def _print_problems(error: HinetSearchError) -> None:
    """Print each problem with the line of its file."""
    are_several = len(error.problems) > 1
    if are_several:
        echo_error(_ERROR, f" {len(error.problems)} problems; nothing was started\n")
    for problem in error.problems:
        if are_several or isinstance(error, Interrupted):
            echo_error(problem)
        else:
            echo_error(_ERROR, f" {problem}")
        for line in excerpt(problem) or ():
            echo_error(Styled(line))


def show_usage_error(error: click.ClickException) -> None:
    """Print the problem of an option or argument, the usage, and the command for the help."""
    if isinstance(error, NoArgsIsHelpError):
        echo_error(error.format_message())
        return
    echo_error(_ERROR, f" {_usage_problem(error)}")
    context = getattr(error, "ctx", None)
    if isinstance(context, click.Context):
        echo_error(context.get_usage())
        output_of(context).next(f"{context.command_path} --help")


def _usage_problem(error: click.ClickException) -> str:
    """Describe the problem, beginning with the name of the option or argument."""
    parameter = error.param if isinstance(error, click.BadParameter) else None
    if isinstance(error, click.MissingParameter) and isinstance(parameter, click.Argument):
        known = ""
        if parameter.name == "study":
            known = f": a path, or one of {', '.join(known_names('studies'))}"
        return f"{parameter.human_readable_name} must be given{known}"
    if isinstance(error, click.NoSuchOption) and (reason := gone(error.option_name)):
        return f"no such option {error.option_name}: {reason}"
    if parameter is not None and error.message.startswith("must "):
        return f"{max(parameter.opts, key=len)} {error.message}"
    return error.format_message()


def next_command(error: HinetSearchError, context: click.Context) -> str:
    """Choose the command to try after an error; empty if the remedy names one."""
    study = context.params.get("study")
    if error.remedy.startswith("launch a study first"):
        target = context.params.get("target") or ""  # STUDY or STUDY/NAME
        named = (study, target, target.rpartition("/")[0])
        launched = next(
            (name for name in named if name and is_known("studies", name)), "quickstart"
        )
        return f"hinet-search launch {shlex.quote(launched)}"
    if _needs_no_command(error, context):
        return ""
    if isinstance(error, StudyConflict) or context.info_name == "report":
        return "hinet-search doctor" if context.info_name == "status" else "hinet-search status"
    if isinstance(error, EnvironmentFault):
        return "hinet-search doctor"
    if isinstance(error, AllTrialsFailed):  # only launches of a study raise it
        return f"hinet-search report {shlex.quote(str(study))}"
    return _command_for_study(study, context.command_path)


def _command_for_study(study: str | None, command: str) -> str:
    """Return the check of a known study, or the same command with the study of the nearest name."""
    if study is not None and is_known("studies", study):
        return f"hinet-search check {shlex.quote(study)}"
    likely = nearest(Path(study or "").stem, known_names("studies"))
    return f"{command} {shlex.quote(likely)}" if likely else f"{command} --help"


def _needs_no_command(error: HinetSearchError, context: click.Context) -> bool:
    """Return whether the remedy is enough or names a command itself."""
    is_fault = type(error) is HinetSearchError
    is_from_doctor = isinstance(error, EnvironmentFault) and context.info_name == "doctor"
    return (
        is_fault
        or is_from_doctor
        or isinstance(error, Interrupted | OutputLost)
        or any(f"hinet-search {name}" in error.remedy for name in names(COMMANDS))
    )


def _with_place(problem: str) -> dict[str, Any]:
    """Split a problem into file, line and column, if it begins with them, and text."""
    place = PLACE.match(problem)
    if place is None:
        return {"text": problem}
    return {
        "file": place["file"],
        "line": int(place["line"]),
        "column": int(place["column"]),
        "text": problem[place.end() :],
    }


def excerpt(problem: str) -> tuple[str, str] | None:
    """Return the line of a problem and its carets: `  7 |   epohcs: 10` and `    |   ^^^^^^`.

    None if there is no such line. A problem begins with its place: `studies/a.yaml:7:3: `.
    Passwords are masked.
    """
    place = PLACE.match(problem)
    if place is None:
        return None
    number = int(place["line"])
    column = int(place["column"])
    try:
        line = Path(place["file"]).read_text(encoding="utf-8-sig").splitlines()[number - 1]
    except (OSError, UnicodeDecodeError, IndexError):
        return None
    column = len(_masked(line[: column - 1])) + 1
    line = _masked(line)
    word = WORD.match(line, column - 1)
    start = max(0, column - 1 - EXCERPT_WIDTH // 2)  # of a long line the part around the word
    part = line[start : start + EXCERPT_WIDTH]
    width = len(word[0]) if word else 1
    carets = " " * (column - 1 - start) + "^" * width
    return (
        f"  {number} | {part}".rstrip(),
        f"  {' ' * len(str(number))} | {carets[:EXCERPT_WIDTH]}",
    )


def _masked(text: str) -> str:
    """Make a part of a line printable, without passwords and tabs."""
    return printable(hide_passwords(text).replace("\t", " "))
