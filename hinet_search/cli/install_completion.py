"""Install completion: write the script of a shell to where that shell looks for it."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from click.shell_completion import get_completion_class

from hinet_search.cli.output import echo

PROGRAM, VARIABLE = "hinet-search", "_HINET_SEARCH_COMPLETE"
FROM_ENVIRONMENT = "of $SHELL"


@dataclass(frozen=True)
class Shell:
    """Where a shell looks for the script of a program, and what it needs to find it there."""

    file: Callable[[Mapping[str, str]], Path]
    needs: str


def _bash(environment: Mapping[str, str]) -> Path:
    share = _home(environment, "XDG_DATA_HOME", ".local/share") / "bash-completion"
    folder = _home(environment, "BASH_COMPLETION_USER_DIR", str(share))
    return folder / "completions" / PROGRAM


def _zsh(_environment: Mapping[str, str]) -> Path:
    return Path.home() / ".zfunc" / f"_{PROGRAM}"


def _fish(environment: Mapping[str, str]) -> Path:
    folder = _home(environment, "XDG_CONFIG_HOME", ".config")
    return folder / "fish" / "completions" / f"{PROGRAM}.fish"


SHELLS = {
    "bash": Shell(_bash, "the package bash-completion"),
    "zsh": Shell(_zsh, "~/.zshrc to have: fpath+=(~/.zfunc); autoload -Uz compinit; compinit"),
    "fish": Shell(_fish, "nothing else"),
}


def _home(environment: Mapping[str, str], variable: str, usual: str) -> Path:
    """Return the folder that a variable names, else the usual one in the home of the user."""
    return Path(environment.get(variable) or Path.home() / usual)


def _install(context: click.Context, _parameter: click.Parameter, asked: str | None) -> None:
    """Write the script and end, unless the option was not given."""
    if asked is None or context.resilient_parsing:
        return
    from hinet_search.common.errors import ConfigurationError
    from hinet_search.common.files import make_folder, replacing

    name = Path(os.environ.get("SHELL", "")).name if asked == FROM_ENVIRONMENT else asked
    if name not in SHELLS:
        raise ConfigurationError(
            f"--install-completion: the shell must be one of {', '.join(SHELLS)}, got '{name}'",
            remedy="name it, as in --install-completion bash",
        )
    kind: Any = get_completion_class(name)
    script = kind(context.command, {}, PROGRAM, VARIABLE).source()
    file = SHELLS[name].file(os.environ)
    make_folder(file.parent)
    with replacing(file, len(script)) as written:
        written.write_text(script, encoding="utf-8")
    echo(f"wrote {file}: new shells complete commands. {name} needs {SHELLS[name].needs}")
    context.exit()


install_completion = click.option(
    "--install-completion",
    metavar="[SHELL]",
    is_flag=False,
    flag_value=FROM_ENVIRONMENT,
    is_eager=True,
    expose_value=False,
    callback=_install,
    help=f"Complete commands in a shell ({', '.join(SHELLS)}; default: $SHELL) and exit.",
)
