"""Layout: what every --help looks like: one line, usage, examples, options in sections, exit codes."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import click

from hinet_search.cli._errors import show_error
from hinet_search.errors import HinetSearchError

EXIT_CODES = (
    ("0", "done"),
    ("2", "usage or configuration"),
    ("3", "data"),
    ("4", "environment: database, device, disk, port"),
    ("5", "study conflict"),
    ("6", "every trial failed"),
    ("129, 130, 143", "stopped by a closed terminal, Ctrl-C, SIGTERM; the same command goes on"),
)
OTHERS = "Options"
WIDTH = 100


class Option(click.Option):
    """An option that stands under a heading."""

    def __init__(self, *names: Any, section: str = OTHERS, **given: Any) -> None:
        self.section = section
        super().__init__(*names, **given)


def option(section: str, *names: str, **given: Any) -> Callable[[Any], Any]:
    """An option under a heading."""
    return click.option(*names, cls=Option, section=section, **given)


class Command(click.Command):
    """A command with examples, which a test parses; `codes` are those that it can end with beside 0 and 2."""

    def __init__(self, *given: Any, examples: Sequence[str] = (), codes: Sequence[str] = (), **more: Any) -> None:
        self.examples = tuple(examples)
        self.codes = ("0", "2", *codes)
        more.setdefault("context_settings", {"max_content_width": WIDTH})
        super().__init__(*given, **more)

    def invoke(self, ctx: click.Context) -> Any:
        """Run it; an error of ours is printed without a traceback, and its code is the exit code."""
        try:
            return super().invoke(ctx)
        except HinetSearchError as error:
            if ctx.find_root().params.get("debug"):
                raise
            with suppress(OSError):  # of a terminal that was closed
                show_error(error, ctx)
            return ctx.exit(error.exit_code)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As the module says."""
        self.format_help_text(ctx, formatter)
        formatter.write_paragraph()
        self.format_usage(ctx, formatter)
        with formatter.section("Examples"):
            formatter.write_text("\b\n" + "\n".join(self.examples))
        write_options(self, ctx, formatter)
        write_exit_codes(formatter, self.codes)


def write_options(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """The options of a command, section after section; those without one come last."""
    rows: dict[str, list[tuple[str, str]]] = {}
    for parameter in command.get_params(ctx):
        row = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
        if row is not None:
            rows.setdefault(getattr(parameter, "section", OTHERS), []).append(row)
    rows[OTHERS] = rows.pop(OTHERS, [])
    for section, of_section in rows.items():
        if of_section:
            with formatter.section(section):
                formatter.write_dl(of_section)


def write_exit_codes(formatter: click.HelpFormatter, codes: Sequence[str] = ()) -> None:
    """What the codes mean, all of them or the ones given."""
    with formatter.section("Exit codes"):
        formatter.write_dl([(code, meaning) for code, meaning in EXIT_CODES if code in codes or not codes])
