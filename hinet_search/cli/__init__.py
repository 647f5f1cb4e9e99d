"""Command line: one file per command; a file's name is the command's, the first line of its docstring its help."""

import importlib
import sys
from pathlib import Path

import click

from hinet_search.errors import HinetSearchError
from hinet_search.plugins import names

EXIT_CODES = """\b
Exit codes:
  0 done                      4 environment (database, device, disk, port)
  2 usage or configuration    5 study conflict
  3 data                      6 every trial failed
  130 / 143 stopped by Ctrl-C / SIGTERM; the same command goes on"""


class Commands(click.Group):
    """Finds commands by their files, and imports one only when it is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click passes a context
        """Names from file names."""
        return list(names(__name__))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  likewise
        """The command of that name; an unknown one is answered by click with the nearest name."""
        if cmd_name not in names(__name__):
            return None
        command: click.Command = importlib.import_module(f"{__name__}.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in --help, read from the files' first lines."""
        rows = [(name, _first_line(name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest name of an unknown command."""
        from hinet_search.errors import did_you_mean

        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            ctx.fail(f"no such command '{name}'{did_you_mean(name, names(__name__))}")
        return super().resolve_command(ctx, args)


def _first_line(name: str) -> str:
    text = (Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8")
    return text.split('"""')[1].splitlines()[0].rstrip(".")


@click.group(cls=Commands, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="hinet-search")
def cli(debug: bool) -> None:  # noqa: FBT001  click passes flags by name
    """Find the best HiNet for your scenarios and tasks, and see whether it beats the baselines.

    \b
    hinet-search launch quickstart      run the study that needs no data, and write its report
    hinet-search check studies/a.yaml   every problem at once, and how long it will take
    hinet-search dashboard              watch running studies in the browser
    """
    del debug


def main() -> None:
    """Entry point: runs a command; prints an error of ours without a traceback and exits with its code."""
    try:
        cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        sys.exit(130)
    except HinetSearchError as error:
        if "--debug" in sys.argv:
            raise
        _print_error(error)
        sys.exit(error.exit_code)


def _print_error(error: HinetSearchError) -> None:
    many = len(error.problems) > 1
    prefix = "" if error.exit_code >= 128 else "error: "
    click.echo(f"error: {len(error.problems)} problems" if many else f"{prefix}{error.problems[0]}", err=True)
    for problem in error.problems if many else ():
        click.echo(f"  {problem}", err=True)
    if error.remedy:
        click.echo(error.remedy, err=True)
