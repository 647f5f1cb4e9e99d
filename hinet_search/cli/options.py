"""Commands, and options and arguments that several of them share, also of the output."""

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import cloup
from click.core import ParameterSource
from cloup import option_group

from hinet_search.cli.errors import report_error, write_exit_codes
from hinet_search.cli.output import KEY, Output, OutputLost, echo_error, output
from hinet_search.common.errors import (
    ConfigurationError,
    HinetSearchError,
    Interrupted,
    gone_or_similar,
    shortened,
)
from hinet_search.common.plugins import names

if TYPE_CHECKING:
    from hinet_search.study.launch_options import LaunchOptions

READABLE = (
    "others on this machine can read a password on a command line: "
    "set HINET_SEARCH_STORAGE, or PGPASSFILE"
)
EXECUTORS = "hinet_search.executors"  # study_spec.py has it too, but imports too much for --help
WIDTH = 100  # of the help


class WholeNumber(click.IntRange):
    """A whole number from `min` to `max`; the error names the limits and the value."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Convert to a number."""
        try:
            number: int = super().convert(value, param, ctx)
        except click.BadParameter:
            most = "" if self.max is None else f" and at most {self.max}"
            self.fail(
                f"must be a whole number of at least {self.min}{most}, "
                f"got '{shortened(str(value))}'",
                param,
                ctx,
            )
        return number


class WordChoice(click.Choice[str]):
    """One of several words; the error names the nearest."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check that the word is known."""
        try:
            word: str = super().convert(value, param, ctx)
        except click.BadParameter:
            known = ", ".join(self.choices)
            self.fail(
                f"must be one of {known}, got '{shortened(str(value))}'"
                f"{gone_or_similar(str(value), self.choices)}",
                param,
                ctx,
            )
        return word


def _warn_of_password(
    context: click.Context, parameter: click.Parameter, url: str | None
) -> str | None:
    """Warn of a password in a URL on the command line: every user of the machine can list it."""
    if url and context.get_parameter_source(parameter.name or "") == ParameterSource.COMMANDLINE:
        from hinet_search.common.database_url import parse_address

        with suppress(ConfigurationError):  # the command itself reports a wrong URL
            if parse_address(url).password is not None:
                echo_error(f"warning: {READABLE}")
    return url


places = option_group(
    "Locations",
    click.option(
        "--storage",
        metavar="URL",
        callback=_warn_of_password,
        help="Database: a path or URL.  [env: HINET_SEARCH_STORAGE]",
    ),
    click.option(
        "--output",
        metavar="DIR",
        type=click.Path(file_okay=False, path_type=Path),
        help="Folder of database, cache, artifacts and reports.  "
        "[default: .hinet-search, reports/; env of the cache: HINET_SEARCH_CACHE]",
    ),
)
scored_on = option_group(
    "Where to run",
    click.option(
        "--device",
        type=click.Choice(["auto", "cpu", "cuda"]),
        default="cpu",
        show_default=True,
        help="What computes: the CPU or a GPU; auto takes a GPU if there is one.",
    ),
)

NEW_FOLDER = click.option(
    "-o",
    "--to",
    metavar="FOLDER",
    required=True,
    type=click.Path(path_type=Path),
    help="A new or an empty folder.",
)
GRAPH = click.option(
    "--format",
    "format_",
    type=WordChoice(["onnx"]),
    help="Add the model as a graph for other programs (docs/ship.md).",
)
PLUGIN = click.option(
    "--plugin",
    "plugins",
    metavar="PACKAGE",
    multiple=True,
    help="A package whose modules may be models (model: my_lab.models.wide).",
)
plugins = option_group("Plug-ins", PLUGIN)  # of commands that read no study file
SIZE = click.option(
    "--size",
    metavar="NAME",
    help="Size of the study, if it has several.",
)
VARIANT = click.option(
    "--variant",
    metavar="NAME",
    help="Variant of the study, if it has several.",
)
SETTINGS = click.option(
    "--set",
    "settings",
    metavar="NAME=VALUE",
    multiple=True,
    help="A value by its dotted name: "
    "train.batch_size=512, finalists.top=2, arms.hinet.fixed.model.dropout=0.1. May be repeated.",
)
SEEDS = click.option(
    "--finalist-seeds", type=WholeNumber(min=1), metavar="N", help="Seeds per finalist."
)
ON_SLOTS = (
    click.option(
        "--slots",
        type=WholeNumber(min=1),
        metavar="N",
        help="Trials at once.  [env: HINET_SEARCH_SLOTS]",
    ),
    click.option(
        "--device",
        type=WordChoice(["auto", "cpu", "cuda"]),
        help="Where to train.  [env: HINET_SEARCH_DEVICE]",
    ),
    click.option(
        "--executor",
        metavar="KIND",
        help=f"Where slots run: {', '.join(names(EXECUTORS))}.  [env: HINET_SEARCH_EXECUTOR]",
    ),
    click.option(
        "--address",
        metavar="ADDRESS",
        help="The executor's cluster: local (started here), auto (running on this machine), "
        "HOST:PORT.  [env: HINET_SEARCH_ADDRESS]",
    ),
)
RUN = (
    click.option("--trials", type=WholeNumber(min=1), metavar="N", help="Trials per arm."),
    SEEDS,
    *ON_SLOTS,
    click.option("--seed", type=WholeNumber(min=0), metavar="N", help="Seed of the whole study."),
)
study_argument = click.argument("study")


def study_options(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Add the group of options that replace values of the study file."""
    return option_group("Override the study file", *options)


def which_study(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Add the group of options that say which of a file's stored studies is meant."""
    return option_group("Which study of a file", *options)


def launch_options(given: Mapping[str, Any]) -> "LaunchOptions":
    """Parse the options of a command line; raise ConfigurationError if a setting has no value."""
    from hinet_search.study.launch_options import LaunchOptions
    from hinet_search.study.yaml_file import read_value

    settings = {}
    for text in given.get("settings", ()):
        name, equals, value = text.partition("=")
        name = name.strip() if equals else ""
        if not name:
            raise ConfigurationError(
                f"--set must be NAME=VALUE such as train.batch_size=512, got '{shortened(text)}'"
            )
        settings[name] = read_value(value, f"--set {name}")
    return LaunchOptions(**{**given, "settings": settings})


def as_typed(given: Mapping[str, Any], options: "LaunchOptions") -> list[str]:
    """Repeat the options of the command line for another command, without a database's password.

    The variant of this moment is named even if the command line means all of them.
    """
    from hinet_search.common.database_url import parse_address

    context = click.get_current_context()
    values = dict(given)
    if options.storage:
        address = parse_address(options.storage)
        if address.password is not None:
            values["storage"] = address.masked
    words: list[str] = []
    for name in given:
        value = values[name]
        is_typed = context.get_parameter_source(name) == ParameterSource.COMMANDLINE
        if not is_typed and (name != "variant" or value is None):
            continue
        if isinstance(value, tuple):
            repeated = "--set" if name == "settings" else f"--{name.removesuffix('s')}"
            for item in value:
                words += [repeated, item]
        else:
            words += [f"--{name.replace('_', '-')}", str(value)]
    return words


def words_typed(options: "LaunchOptions") -> list[str]:
    """Return the command as it was typed, without the password of a database."""
    from hinet_search.common.database_url import parse_address

    words = ["hinet-search", *sys.argv[1:]]
    if options.storage:
        address = parse_address(options.storage)
        if address.password is not None:
            words = [word.replace(options.storage, address.masked) for word in words]
    return words


def each_variant(
    study: str, given: Mapping[str, Any], work: Callable[[dict[str, Any]], None]
) -> None:
    """Do the work with the options of every variant; as given if one is chosen or it has none.

    The error of a variant is shown, and the next one begins; the command then ends with the code of
    the first error. An interruption ends all.
    """
    from hinet_search.study.overrides import variants_of_study

    names = () if given["variant"] else variants_of_study(study)
    if not names:
        work(dict(given))
        return
    codes: dict[str, int] = {}
    for number, name in enumerate(names, start=1):
        output().note(f"variant {name} ({number} of {len(names)})")
        try:
            work({**given, "variant": name})
        except (Interrupted, OutputLost):
            raise
        except HinetSearchError as error:
            codes[name] = report_error(error, click.get_current_context())
    if codes:
        failed = f"failed: {', '.join(codes)} ({len(codes)} of {len(names)} variants)"
        output().note(failed)
        click.get_current_context().exit(next(iter(codes.values())))


def _setter(**change: bool) -> Callable[[click.Context, click.Parameter, bool], None]:
    """Return a callback of a flag that changes the output options."""

    def set_option(
        context: click.Context,
        _parameter: click.Parameter,
        flag: bool,  # noqa: FBT001  click passes flags by position
    ) -> None:
        if flag:
            context.meta[KEY] = replace(context.meta.get(KEY, Output()), **change)

    return set_option


_quiet = click.option(
    "-q",
    "--quiet",
    is_flag=True,
    expose_value=False,
    callback=_setter(quiet=True),
    help="Print the result and errors, nothing else.",
)
verbose = click.option(
    "-v",
    "--verbose",
    is_flag=True,
    expose_value=False,
    callback=_setter(verbose=True),
    help="Print every value of the study and its source.",
)
as_json = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document (docs/command_line.md)."
)

as_json_lines = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print every event as a JSON document on a line (docs/command_line.md).",
)


def output_options(*own: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Add the group of output options: the command's own, then --quiet."""
    return option_group("Output", *own, _quiet)


class Command(cloup.Command):
    """A command with examples and exit codes.

    A test parses the examples. `codes` are exit codes that other commands do not have.
    """

    def __init__(
        self, *arguments: Any, examples: Sequence[str] = (), codes: Sequence[str] = (), **named: Any
    ) -> None:
        self.examples = tuple(examples)
        self.codes = ("0", "1", "2", *codes, "141")
        named.setdefault("context_settings", {"max_content_width": WIDTH})
        super().__init__(*arguments, align_option_groups=False, **named)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; report any error without a traceback and exit with its code."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001  a panic of Rust or sys.exit of a plug-in
            return ctx.exit(report_error(error, ctx))

    def get_short_help_str(self, limit: int = 45) -> str:  # noqa: ARG002  click passes a limit
        """Return the first sentence of the help, which a group wraps and never cuts."""
        return super().get_short_help_str(limit=len(self.help or ""))

    def format_epilog(
        self,
        ctx: click.Context,  # noqa: ARG002  click passes a context
        formatter: click.HelpFormatter,
    ) -> None:
        """Write examples and exit codes."""
        with formatter.section("Examples"):
            formatter.write_text("\b\n" + "\n".join(self.examples))
        write_exit_codes(formatter, self.codes)
