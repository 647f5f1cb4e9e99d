"""Output: print data on stdout and everything else on stderr; --quiet prints less, --verbose more.

Everything is printed through `echo` and `echo_error`, which escape the control characters of names
and data. With --json a command prints documents, each with `schema` and `kind`. Within a schema
keys may be added, but none changes.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from typing import Any, TextIO

import click

from hinet_search.common.errors import EnvironmentFault
from hinet_search.common.terminal import UNCUT, json_printable, printable

SCHEMA = 1
KEY = "hinet_search.cli.voice"
_SAFE = "the command has done its work; only its output is lost"


class OutputLost(EnvironmentFault):
    """Stdout cannot be written."""


class ReaderClosed(OutputLost):
    """The reader of stdout has ended, as `| head` does; the exit code is the one for SIGPIPE."""

    exit_code = 141


@dataclass(frozen=True)
class Styled:
    """A text in a colour."""

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
            self.note(Styled("Next:", bold=True), f" {command}")


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
        click.echo(_line(parts))
    except BrokenPipeError as error:
        discard(sys.stdout)
        raise ReaderClosed("the reader of stdout has ended", remedy=_SAFE) from error
    except OSError as error:
        discard(sys.stdout)
        raise OutputLost(f"stdout cannot be written: {error.strerror}", remedy=_SAFE) from error


def output_width() -> int:
    """Return the columns of the terminal; without one nothing is wrapped or cut."""
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    return shutil.get_terminal_size().columns if is_terminal else UNCUT


def echo_error(*parts: str | Styled) -> None:
    """Print a line on stderr; write errors are ignored, as no result is lost."""
    with ignoring_lost_output():
        click.echo(_line(parts), err=True)


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


def _line(parts: tuple[str | Styled, ...]) -> str:
    """Join the parts: control characters escaped, colours applied."""
    line = ""
    for part in parts:
        if isinstance(part, Styled):
            line += click.style(printable(part.text), fg=part.colour, bold=part.bold or None)
        else:
            line += printable(part)
    return line


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
    echo(json_printable(text))


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
    """Format a value as `.7123`, or None as a dash."""
    from hinet_search.search.progress import value_text

    return "-" if value is None else value_text(value)
