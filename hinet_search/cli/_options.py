"""Options and arguments that several commands share."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from hinet_search.cli._complete import complete_size, complete_study
from hinet_search.cli._kinds import OneOf, Whole
from hinet_search.cli._layout import option
from hinet_search.plugins import names
from hinet_search.search.options import LaunchOptions

READABLE = "others on this machine can read a password on a command line: set HINET_SEARCH_STORAGE, or PGPASSFILE"
EXECUTORS = "hinet_search.executors"  # study.py has it too, and more imports than --help may cost


def _warn_of_password(context: click.Context, parameter: click.Parameter, url: str | None) -> str | None:
    """A URL on the command line with a password in it is read by whoever lists the processes of the machine."""
    if url and context.get_parameter_source(parameter.name or "") == ParameterSource.COMMANDLINE:
        from hinet_search.errors import ConfigurationError
        from hinet_search.storage.address import parse_address

        with suppress(ConfigurationError):  # what is wrong with it the command will say
            if parse_address(url).password is not None:
                click.echo(f"warning: {READABLE}", err=True)
    return url


_WHERE = "Where things are"
_STUDY = "Over the study file"
_PLACES = [
    option(
        _WHERE,
        "--storage",
        metavar="URL",
        callback=_warn_of_password,
        help="Database: a path or URL.  [env: HINET_SEARCH_STORAGE]",
    ),
    option(
        _WHERE,
        "--output",
        metavar="DIR",
        type=click.Path(file_okay=False, path_type=Path),
        help="Folder of database, cache, artifacts and reports.  [default: .hinet-search, reports/; env of the cache: "
        "HINET_SEARCH_CACHE]",
    ),
]
_PLUGIN = [
    option(
        _STUDY,
        "--plugin",
        "plugins",
        metavar="PACKAGE",
        multiple=True,
        help="A package whose modules may be models (model: my_lab.models.wide).",
    )
]
_SIZE = [
    option(
        _STUDY,
        "--size",
        metavar="NAME",
        help="Which size of the study, where it has several.",
        shell_complete=complete_size,
    )
]
_SETTINGS = [
    option(
        _STUDY,
        "--set",
        "settings",
        metavar="NAME=VALUE",
        multiple=True,
        help="Any value by its dotted name: "
        "train.batch_size=512, finalists.top=2, arms.hinet.fixed.model.dropout=0.1. May be repeated.",
    )
]
_RUN = [
    option(_STUDY, "--trials", type=Whole(min=1), metavar="N", help="Trials per arm."),
    option(_STUDY, "--finalist-seeds", type=Whole(min=1), metavar="N", help="Seeds per finalist."),
    option(_STUDY, "--slots", type=Whole(min=1), metavar="N", help="Trials at once.  [env: HINET_SEARCH_SLOTS]"),
    option(
        _STUDY,
        "--device",
        type=OneOf(["auto", "cpu", "cuda"]),
        help="Where to train.  [env: HINET_SEARCH_DEVICE]",
    ),
    option(
        _STUDY,
        "--executor",
        metavar="KIND",
        help=f"What runs the slots: {', '.join(names(EXECUTORS))}.  [env: HINET_SEARCH_EXECUTOR]",
    ),
    option(
        _STUDY,
        "--address",
        metavar="ADDRESS",
        help="The executor's cluster: local (started here), auto (the one that runs here), HOST:PORT.  "
        "[env: HINET_SEARCH_ADDRESS]",
    ),
    option(
        _STUDY,
        "--exchange",
        metavar="URL",
        help="Where files of nodes that share no folder are exchanged: s3://bucket/prefix.  [env: HINET_SEARCH_EXCHANGE]",
    ),
    option(_STUDY, "--seed", type=Whole(min=0), metavar="N", help="Seed of the whole study."),
]

study_argument = click.argument("study", shell_complete=complete_study)


def places(command: Callable[..., Any]) -> Callable[..., Any]:
    """Where a study is stored."""
    return _add(command, _PLACES)


def stored_study(command: Callable[..., Any]) -> Callable[..., Any]:
    """Which study, and where it is stored."""
    return _add(command, [*_SIZE, *_PLACES])


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Values over those of the study file."""
    return _add(command, [*_RUN, *_PLUGIN, *_SIZE, *_SETTINGS, *_PLACES])


def plugin_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Which models there are."""
    return _add(command, _PLUGIN)


def setting_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What a launch said over the study file and that makes it the same study."""
    return _add(command, [*_SIZE, *_SETTINGS])


def model_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Which models there are, and where data are encoded."""
    return _add(command, [*_PLUGIN, *_PLACES])


def launch_options(given: Mapping[str, Any]) -> LaunchOptions:
    """The options of a command line; ConfigurationError for a setting that is not NAME=VALUE."""
    settings = dict(map(_setting, given.get("settings", ())))
    return LaunchOptions(**{**given, "settings": settings})


def _setting(text: str) -> tuple[str, Any]:
    from hinet_search.errors import ConfigurationError
    from hinet_search.yaml_file import read_value

    name, equals, value = text.partition("=")
    if not (name and equals):
        raise ConfigurationError(f"--set must be NAME=VALUE such as train.batch_size=512, got '{text}'")
    return name.strip(), read_value(value)


def as_typed(given: Mapping[str, Any], options: LaunchOptions) -> list[str]:
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
        repeated = "--set" if name == "settings" else f"--{name.removesuffix('s')}"
        return [word for one in value for word in (repeated, one)]
    return [f"--{name.replace('_', '-')}", str(value)]


def _add(command: Callable[..., Any], options: list[Callable[[Any], Any]]) -> Callable[..., Any]:
    for one in reversed(options):
        command = one(command)
    return command
