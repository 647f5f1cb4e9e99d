"""Options of how a command speaks: --quiet, --verbose, --color and --json."""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import click

from hinet_search.cli._kinds import OneOf
from hinet_search.cli._layout import option
from hinet_search.cli._voice import KEY, Voice


def speaking(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds --quiet and --color."""
    spoken: Callable[..., Any] = _quiet(_color(command))
    return spoken


def _turn(**change: bool) -> Callable[[click.Context, click.Parameter, bool], None]:
    def turn(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:  # noqa: FBT001  click passes it so
        if wanted:
            context.meta[KEY] = replace(context.meta.get(KEY, Voice()), **change)

    return turn


def _colour(context: click.Context, _parameter: click.Parameter, wanted: str) -> None:
    """click decides by the terminal where nothing is said; NO_COLOR says no (no-color.org)."""
    by_environment = False if os.environ.get("NO_COLOR") else None
    context.color = {"always": True, "never": False, "auto": by_environment}[wanted]
    context.find_root().color = context.color  # errors are told by the root


_quiet = option(
    "Output",
    "-q",
    "--quiet",
    is_flag=True,
    expose_value=False,
    callback=_turn(quiet=True),
    help="Print the result and errors, nothing else.",
)
verbose = option(
    "Output",
    "-v",
    "--verbose",
    is_flag=True,
    expose_value=False,
    callback=_turn(verbose=True),
    help="Print every value of the study with where it comes from.",
)
_color = option(
    "Output",
    "--color",
    type=OneOf(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    expose_value=False,
    callback=_colour,
    is_eager=True,
    help="NO_COLOR=1 means never.",
)
as_json = option(
    "Output",
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON document (docs/command_line.md).",
)
