"""Completion of the shell: a script that asks hinet-search itself, put where the shell looks for it."""

import os
from pathlib import Path
from typing import Any

import click

from hinet_search.cli._errors import show_error
from hinet_search.errors import EnvironmentFault, HinetSearchError

SHELLS = ("bash", "zsh", "fish")
_PROGRAM, _VARIABLE = "hinet-search", "_HINET_SEARCH_COMPLETE"


def install(shell: str) -> tuple[Path, str]:
    """Write the script of a shell; returns where, and what the shell needs beside it (empty for none).

    click's scripts; EnvironmentFault when the file cannot be written.
    """
    from click.shell_completion import get_completion_class

    path = place(shell)
    kind = get_completion_class(shell)
    assert kind is not None, "click knows all three"
    script = kind(_command(), {}, _PROGRAM, _VARIABLE).source()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(script, encoding="utf-8")
    except OSError as error:
        raise EnvironmentFault(f"{path} cannot be written: {error.strerror}") from error
    needs = f"add to ~/.zshrc, before compinit: fpath=({path.parent} $fpath)" if shell == "zsh" else ""
    return path, needs


def place(shell: str) -> Path:
    """The file in which a shell looks for the completion of a program, in the folders of the user."""
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share")
    configuration = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return {
        "bash": data / "bash-completion/completions" / _PROGRAM,
        "zsh": data / "zsh/site-functions" / f"_{_PROGRAM}",
        "fish": configuration / "fish/completions" / f"{_PROGRAM}.fish",
    }[shell]


def _command() -> click.Command:
    return click.get_current_context().find_root().command


def _wanted(context: click.Context, _parameter: click.Parameter, shell: str | None) -> None:
    if shell is None or context.resilient_parsing:
        return
    try:
        path, needs = install(shell)
    except HinetSearchError as error:
        show_error(error, context)
        context.exit(error.exit_code)
    click.echo(f"wrote {path}")
    if needs:
        click.echo(needs)
    click.echo(f"Next: exec {shell}", err=True)
    context.exit()


def install_option(command: Any) -> Any:
    """Adds --install-completion."""
    return click.option(
        "--install-completion", type=click.Choice(SHELLS), callback=_wanted, is_eager=True, expose_value=False,
        help="Let the shell complete commands, options, studies, arms and files.",
    )(command)  # fmt: skip
