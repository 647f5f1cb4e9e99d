"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from hinet_search.search.options import LaunchOptions


def _warn_of_password(context: click.Context, parameter: click.Parameter, url: str | None) -> str | None:
    """A URL on the command line with a password in it is read by whoever lists the processes of the machine."""
    if url and context.get_parameter_source(parameter.name or "") == ParameterSource.COMMANDLINE:
        from hinet_search.storage.address import parse_address

        if parse_address(url).password is not None:
            text = (
                "others on this machine can read a password on a command line: set HINET_SEARCH_STORAGE, or PGPASSFILE"
            )
            click.echo(f"warning: {text}", err=True)
    return url


_PLACES = [
    click.option(
        "--storage", metavar="URL", envvar="HINET_SEARCH_STORAGE", show_envvar=True, help="Database: a path or URL.",
        callback=_warn_of_password,
    ),
    click.option(
        "--output", metavar="DIR", type=click.Path(file_okay=False, path_type=Path),
        help="Folder of database, cache, artifacts and reports.  [default: .hinet-search, reports/]",
    ),
]  # fmt: skip
_PLUGIN = [
    click.option(
        "--plugin", "plugins", metavar="PACKAGE", multiple=True,
        help="A package whose modules may be models (model: my_lab.models.wide).",
    )
]  # fmt: skip
_SIZE = [click.option("--size", metavar="NAME", help="Which size of the study, where its file has several.")]
_RUN = [
    click.option("--trials", type=click.IntRange(min=1), help="Trials per arm."),
    click.option("--finalist-seeds", type=click.IntRange(min=1), help="Seeds per finalist."),
    click.option("--slots", type=click.IntRange(min=1), envvar="HINET_SEARCH_SLOTS", show_envvar=True, help="Trials at once."),
    click.option(
        "--device", type=click.Choice(["auto", "cpu", "cuda"]), envvar="HINET_SEARCH_DEVICE", show_envvar=True,
        help="Where to train.",
    ),
    click.option("--seed", type=click.IntRange(min=0), help="Seed of the whole study."),
]  # fmt: skip


def places(command: Callable[..., Any]) -> Callable[..., Any]:
    """Where a study is stored."""
    return _add(command, _PLACES)


def stored_study(command: Callable[..., Any]) -> Callable[..., Any]:
    """Which study, and where it is stored."""
    return _add(command, [*_SIZE, *_PLACES])


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Values over those of the study file."""
    return _add(command, [*_RUN, *_PLUGIN, *_SIZE, *_PLACES])


def model_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Which models there are, and where data are encoded."""
    return _add(command, [*_PLUGIN, *_PLACES])


def launch_options(given: dict[str, Any]) -> LaunchOptions:
    """The options of a command line."""
    return LaunchOptions(**given)


def as_typed(given: dict[str, Any], options: LaunchOptions) -> list[str]:
    """The options that were written on the command line, for another command; of a database without its password."""
    from hinet_search.storage.address import parse_address

    context = click.get_current_context()
    typed = [name for name in given if context.get_parameter_source(name) == ParameterSource.COMMANDLINE]
    shown = dict(given)
    if options.storage and (address := parse_address(options.storage)).password is not None:
        shown["storage"] = address.masked
    return [word for name in typed for word in _words(name, shown[name])]


def _words(name: str, value: object) -> list[str]:
    """An option as it is typed; one that may be repeated once for each of its values."""
    if isinstance(value, tuple):
        return [word for one in value for word in (f"--{name.removesuffix('s')}", one)]
    return [f"--{name.replace('_', '-')}", str(value)]


def _add(command: Callable[..., Any], options: list[Callable[[Any], Any]]) -> Callable[..., Any]:
    for option in reversed(options):
        command = option(command)
    return command
