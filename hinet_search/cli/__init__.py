"""Command line: one file per command. A file's name is the command's; the first line of its docstring is its group and
its help: `Run: check a study without running it`."""

import importlib
import sys
from pathlib import Path

import click

from hinet_search.cli._errors import show_usage_error
from hinet_search.cli._install import install_option
from hinet_search.cli._layout import WIDTH, write_exit_codes, write_options
from hinet_search.plugins import names

GROUPS = ("Run", "Read", "Data", "Use", "Help")  # their order in --help


class Commands(click.Group):
    """Finds commands by their files, and imports one only when it is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click passes a context
        """Names from file names."""
        return list(names(__name__))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  likewise
        """The command of that name."""
        if cmd_name not in names(__name__):
            return None
        command: click.Command = importlib.import_module(f"{__name__}.{cmd_name}").command
        return command

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """What it is for, the commands in their groups, and what exit codes mean; read from files, none is imported."""
        self.format_help_text(ctx, formatter)
        formatter.write_paragraph()
        self.format_usage(ctx, formatter)
        rows: dict[str, list[tuple[str, str]]] = {group: [] for group in GROUPS}
        for name in self.list_commands(ctx):
            group, text = _told(name)
            rows.setdefault(group, []).append((name, text))
        width = max(len(name) for name in self.list_commands(ctx))
        for group, of_group in rows.items():
            if of_group:
                with formatter.section(group):
                    formatter.write_dl([(name.ljust(width), text) for name, text in of_group])
        write_options(self, ctx, formatter)
        write_exit_codes(formatter)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest name of an unknown command."""
        from hinet_search.errors import did_you_mean

        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            ctx.fail(f"no such command '{name}'{did_you_mean(name, names(__name__))}")
        return super().resolve_command(ctx, args)


def _told(name: str) -> tuple[str, str]:
    """Group and help of a command."""
    text = (Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8")
    group, _, help_ = text.split('"""')[1].splitlines()[0].partition(": ")
    return group, help_[:1].upper() + help_[1:].rstrip(".")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": WIDTH})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@install_option
@click.version_option(package_name="hinet-search")
def cli(debug: bool) -> None:  # noqa: FBT001  click passes flags by name
    """Find the best HiNet for your scenarios and tasks, and see whether it beats the baselines."""
    del debug  # whoever shows an error asks the context for it


def main() -> None:
    """Entry point: runs a command and exits with its code."""
    try:
        sys.exit(cli.main(prog_name="hinet-search", standalone_mode=False))
    except click.ClickException as error:
        show_usage_error(error)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped: what is stored stays, and the same command goes on", err=True)
        sys.exit(130)
