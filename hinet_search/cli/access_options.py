"""Access options: where a server listens, and its token as an option, from environment or file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from hinet_search.cli.options import WholeNumber
from hinet_search.common.errors import ConfigurationError

MOST_OF_A_TOKEN = 4096

HOST = click.option(
    "--host",
    metavar="ADDRESS",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; one that other machines reach needs a token.",
)
TOKEN = click.option(
    "--token",
    envvar="HINET_SEARCH_TOKEN",
    help="Token that every request must bring. "
    "Others on this machine can read it on a command line.  [env: HINET_SEARCH_TOKEN]",
)
TOKEN_FILE = click.option(
    "--token-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="File that holds the token.",
)


def port(default: int) -> Callable[[Any], Any]:
    """Return the option of the port."""
    return click.option(
        "--port",
        type=WholeNumber(1, 65535),
        default=default,
        show_default=True,
        metavar="N",
        help="Port to listen on.",
    )


def read_token(file: Path) -> str:
    """Read the token of a file; raise ConfigurationError if it has none that can be read."""
    try:
        with file.open("rb") as stream:
            raw = stream.read(MOST_OF_A_TOKEN + 1)
        token = raw.decode("utf-8").strip()
    except OSError as error:
        raise ConfigurationError(
            f"--token-file: {file} cannot be read: {error.strerror}"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            f"--token-file: {file} must hold text in UTF-8, got other bytes"
        ) from error
    if len(raw) > MOST_OF_A_TOKEN:
        raise ConfigurationError(
            f"--token-file: {file} must hold a token of at most {MOST_OF_A_TOKEN} bytes, got more"
        )
    return token
