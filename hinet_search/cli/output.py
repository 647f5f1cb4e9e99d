"""Output: print data on stdout and everything else on stderr; --quiet prints less, --verbose more.

Everything is printed through `echo` and `echo_error`, which escape the control characters of names
and data. With --json a command prints documents, each with `schema` and `kind`. Within a schema
keys may be added, but none changes.
"""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from textwrap import fill
from typing import Any, TextIO

import click

from hinet_search.common.errors import EnvironmentFault
from hinet_search.common.terminal import UNCUT, json_printable, printable

SCHEMA = 1
KEY = "hinet_search.cli.voice"
_LABEL = re.compile(r" *(\S+  +)?")  # what stands before the text of a line: `report  `
_SAFE = "the command has done its work; only its output is lost"


class OutputLost(EnvironmentFault):
    """Stdout cannot be written."""


class ReaderClosed(OutputLost):
    """The reader of stdout has ended, as `| head` does; the exit code is the one for SIGPIPE."""

    exit_code = 141


@dataclass(frozen=True)
class Styled:
    """A text in a colour, or a command without one; it is never wrapped."""

    text: str
    colour: str | None = None
    bold: bool = False


@dataclass(frozen=True)
class Output:
    """How much a command prints beside data and errors."""

    quiet: bool = False
    verbose: bool = False

    def note(self, *parts: str | Styled) -> None:
        """Print for a person, on stderr; nothing with --quiet."""
        if not self.quiet:
            echo_error(*parts)

    def next(self, *commands: str) -> None:
        """Print the commands to continue with, at most two."""
        assert len(commands) <= 2, "two lines are read, three are not"
        for command in commands:
            self.note(Styled("Next:", bold=True), Styled(f" {command}"))


def output() -> Output:
    """Return the output options of the running command."""
    return output_of(click.get_current_context())


def output_of(context: click.Context) -> Output:
    """Return the output options of a command, also of one that has ended."""
    options: Output = context.meta.get(KEY, Output())
    return options


def echo(*parts: str | Styled) -> None:
    """Print a line on stdout; raise OutputLost if it cannot be written."""
    if sys.stdout is None:
        raise OutputLost("stdout cannot be written: it is closed", remedy=_SAFE)
    try:
        click.echo(_line(parts, output_width()))
    except BrokenPipeError as error:
        discard(sys.stdout)
        raise ReaderClosed("the reader of stdout has ended", remedy=_SAFE) from error
    except OSError as error:
        discard(sys.stdout)
        raise OutputLost(f"stdout cannot be written: {error.strerror}", remedy=_SAFE) from error


def output_width(*, err: bool = False) -> int:
    """Return the columns of the terminal; without one nothing is wrapped or cut."""
    stream = sys.stderr if err else sys.stdout
    is_terminal = stream is not None and stream.isatty()
    return shutil.get_terminal_size().columns if is_terminal else UNCUT


def echo_error(*parts: str | Styled) -> None:
    """Print a line on stderr; write errors are ignored, as no result is lost."""
    with ignoring_lost_output():
        click.echo(_line(parts, output_width(err=True)), err=True)


@contextmanager
def ignoring_lost_output() -> Iterator[None]:
    """Ignore errors of writing to stdout and stderr."""
    try:
        yield
    except OutputLost:
        pass
    except OSError:
        discard(sys.stderr)


def discard(stream: TextIO | None) -> None:
    """Discard the buffer of a stream that cannot be written.

    Otherwise the next flush fails, such as at the start of a process.
    """
    if stream is None:
        return
    with suppress(OSError, ValueError):  # a stream that is closed, or that has no file
        number = stream.fileno()
        saved = os.dup(number)
        null_device = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null_device, number)
        try:
            stream.flush()
        finally:
            os.dup2(saved, number)
            os.close(saved)
            os.close(null_device)


def _line(parts: tuple[str | Styled, ...], width: int) -> str:
    """Join the parts: control characters escaped, colours applied, long lines wrapped."""
    line = ""
    column = 0
    for part in parts:
        if isinstance(part, Styled):
            is_plain = part.colour is None and not part.bold
            text = printable(part.text)
            line += text if is_plain else click.style(text, fg=part.colour, bold=part.bold or None)
            column += len(part.text)
        else:
            separator = ""
            for each in printable(part).split("\n"):
                line += separator + _wrapped(each, column, width)
                separator = "\n"
                column = 0
    return line


def _wrapped(line: str, column: int, width: int) -> str:
    """Break a line that begins in a column between words, indented like its first text."""
    if column + len(line) <= width:
        return line
    indent = column + len(_LABEL.match(line)[0])  # type: ignore[index]  # it matches any line
    return fill(
        f"{' ' * column}{line}",
        width,
        subsequent_indent=" " * min(indent, width // 2),
        break_long_words=False,
        break_on_hyphens=False,
    )[column:]


def mark(text: str) -> Styled:
    """Style `ok`, `!!`, `??` or `x` in its colour, two columns wide."""
    colour = {"ok": "green", "!!": "yellow", "??": "yellow", "x": "red"}[text]
    return Styled(f"{text:<2}", colour, bold=text != "ok")


def print_document(kind: str, *, indent: int | None = 1, **content: Any) -> None:
    """Print a JSON document, indented, or without an indent on one line, for a stream of them."""
    import json

    document = {"schema": SCHEMA, "kind": kind, **content}
    echo_json(json.dumps(document, indent=indent, ensure_ascii=False, default=_plain))


def echo_json(text: str) -> None:
    """Print JSON text."""
    echo(Styled(json_printable(text)))


def _plain(value: Any) -> Any:
    """Convert dataclasses to mappings and paths to text."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")


def ago(seconds: float) -> str:
    """Format a time in the past: `3 s ago`, `12 m ago`, `5 h ago`, `6 d ago`."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit} ago"
    return f"{max(seconds, 0):.0f} s ago"


def value_or_dash(value: float | None) -> str:
    """Format a value as `0.7123`, or None as a dash."""
    from hinet_search.search.progress import value_text

    return "-" if value is None else value_text(value)
