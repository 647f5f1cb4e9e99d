"""Command line: one file per command, named after it.

The first line of its docstring is its group and its help: `Run: check a study without running it`.
"""

import gc
import importlib
import io
import os
import sys
from contextlib import suppress
from pathlib import Path

import click

from hinet_search.cli.errors import report_error, show_usage_error, write_exit_codes
from hinet_search.cli.output import OutputLost, discard, echo_error
from hinet_search.common.plugins import names

COMMANDS = "hinet_search.cli.commands"
FOLDER = Path(__file__).parent / "commands"
MANY_OBJECTS = 100_000  # new ones before garbage is sought: imports make as many, and keep them
GROUPS = ("Run", "Read", "Data", "Use", "Help")  # their order in --help


class Commands(click.Group):
    """Finds commands by their files and imports only the command that is run."""

    def list_commands(
        self,
        ctx: click.Context,  # noqa: ARG002  click passes a context
    ) -> list[str]:
        """List the names of the commands."""
        return list(names(COMMANDS))

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002  click passes a context
        cmd_name: str,
    ) -> click.Command | None:
        """Import the command of that name."""
        if cmd_name not in names(COMMANDS):
            return None
        command: click.Command = importlib.import_module(f"{COMMANDS}.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands in the groups that their files name; none is imported."""
        rows: dict[str, list[tuple[str, str]]] = {group: [] for group in GROUPS}
        width = max(map(len, self.list_commands(ctx)))  # the same in all groups
        for name in self.list_commands(ctx):
            text = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
            group, _, help_ = text.split('"""')[1].splitlines()[0].partition(": ")
            row = (f"{name:<{width}}", help_[:1].upper() + help_[1:].rstrip("."))
            rows[group].append(row)
        for group, group_rows in rows.items():
            with formatter.section(group):
                formatter.write_dl(group_rows)

    def format_epilog(
        self,
        ctx: click.Context,  # noqa: ARG002  click passes a context
        formatter: click.HelpFormatter,
    ) -> None:
        """Write the meaning of every exit code."""
        write_exit_codes(formatter)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve a command; for an unknown one, name the nearest."""
        from hinet_search.common.errors import gone_or_similar

        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            ctx.fail(f"no such command '{name}'{gone_or_similar(name, names(COMMANDS))}")
        return super().resolve_command(ctx, args)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="hinet-search")
def cli(debug: bool) -> None:  # noqa: FBT001  click passes flags by name
    """Find the best HiNet for your scenarios and tasks, and see whether it beats the baselines."""
    del debug  # read from the context when an error is shown


def main() -> None:
    """Run a command and exit with its code."""
    _open_streams()
    gc.set_threshold(MANY_OBJECTS)
    try:
        color = False if os.environ.get("NO_COLOR") else None  # None: on a terminal (no-color.org)
        code = cli.main(prog_name="hinet-search", standalone_mode=False, color=color)
    except click.ClickException as error:
        show_usage_error(error)
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        echo_error("stopped: what is stored stays, and the same command resumes")
        code = 130
    except Exception as error:  # noqa: BLE001  of --help or an option's callback
        known = error
        # Click prints --help and --version itself; an error of its print names no file.
        if isinstance(error, OSError) and error.filename is None:
            discard(sys.stdout)
            known = OutputLost(f"stdout cannot be written: {error.strerror}")
        code = report_error(known, click.Context(cli, info_name="hinet-search"))
    sys.exit(code)


def _open_streams() -> None:
    """Reserve the descriptors of closed standard streams, which the next file would get."""
    descriptor = os.open(os.devnull, os.O_RDWR)
    while descriptor <= 2:
        descriptor = os.open(os.devnull, os.O_RDWR)
    os.close(descriptor)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with suppress(OSError):  # reported at the first write
                stream.reconfigure(errors="backslashreplace")  # for terminals without UTF-8
