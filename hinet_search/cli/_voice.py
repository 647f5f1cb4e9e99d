"""Voice: how a command speaks: data on stdout, everything else on stderr, less with --quiet, more with --verbose."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import click

from hinet_search.cli._layout import option

_KEY = "hinet_search.cli.voice"


@dataclass(frozen=True)
class Voice:
    """What is said beside data and errors."""

    quiet: bool = False
    verbose: bool = False

    def note(self, text: str) -> None:
        """What a person at a terminal wants to know, and no program: on stderr."""
        if not self.quiet:
            click.echo(text, err=True)

    def next(self, *commands: str) -> None:
        """The last lines of a command: at most two to go on with."""
        assert len(commands) <= 2, "two lines are read, three are not"
        for command in commands:
            self.note(f"{click.style('Next:', bold=True)} {command}")


def voice() -> Voice:
    """The voice of the running command."""
    found: Voice = click.get_current_context().meta.get(_KEY, Voice())
    return found


def mark(text: str) -> str:
    """`ok`, `!!` or `x` in its colour, two columns wide."""
    colour = {"ok": "green", "!!": "yellow", "x": "red"}[text]
    return click.style(f"{text:<2}", fg=colour, bold=text != "ok")


def speaking(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --quiet and --color."""
    spoken: Callable[..., Any] = _quiet(_color(command))
    return spoken


def _turn(**change: bool) -> Callable[[click.Context, click.Parameter, bool], None]:
    def turn(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:  # noqa: FBT001  click passes it so
        if wanted:
            context.meta[_KEY] = replace(context.meta.get(_KEY, Voice()), **change)

    return turn


def _colour(context: click.Context, _parameter: click.Parameter, wanted: str) -> None:
    """click decides by the terminal where nothing is said; NO_COLOR says no (no-color.org)."""
    by_environment = False if os.environ.get("NO_COLOR") else None
    context.color = {"always": True, "never": False, "auto": by_environment}[wanted]
    context.find_root().color = context.color  # errors are told by the root


_quiet = option("Output", "-q", "--quiet", is_flag=True, expose_value=False, callback=_turn(quiet=True),
    help="Print the result and errors, nothing else.",
)  # fmt: skip
verbose = option("Output", "-v", "--verbose", is_flag=True, expose_value=False, callback=_turn(verbose=True),
    help="Print every value of the study with where it comes from.",
)  # fmt: skip
_color = option("Output", "--color", type=click.Choice(["auto", "always", "never"]), default="auto", show_default=True, expose_value=False,
    callback=_colour, is_eager=True, help="NO_COLOR=1 means never.",
)  # fmt: skip
as_json = option("Output", "--json", "as_json", is_flag=True, help="Print one JSON document (docs/command_line.md).",
)  # fmt: skip
