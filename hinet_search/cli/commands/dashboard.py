"""Read: watch studies in the browser: live reports, and optuna-dashboard."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from cloup import option_group

from hinet_search.cli.options import Command, WholeNumber, launch_options, output_options, places
from hinet_search.cli.output import output
from hinet_search.common.errors import ConfigurationError

MOST_OF_A_TOKEN = 4096


@click.command(
    name="dashboard",
    cls=Command,
    codes=("4", "5"),
    examples=(
        "hinet-search dashboard",
        "hinet-search dashboard --output runs --port 8090",
        "hinet-search dashboard --storage postgresql://ann@db.example/studies",
    ),
)
@click.argument("study", required=False)
@places
@option_group(
    "Address",
    click.option(
        "--host",
        metavar="ADDRESS",
        default="127.0.0.1",
        show_default=True,
        help="Address to listen on; one that other machines reach needs a token.",
    ),
    click.option(
        "--port",
        type=WholeNumber(1, 65535),
        default=8080,
        show_default=True,
        metavar="N",
        help="Port to listen on.",
    ),
    click.option(
        "--host-name",
        "names",
        metavar="HOST",
        multiple=True,
        help="Another name under which browsers reach this machine. May be repeated.",
    ),
)
@option_group(
    "Access",
    click.option(
        "--token",
        envvar="HINET_SEARCH_TOKEN",
        help="Token that every request must bring. "
        "Others on this machine can read it on a command line.  [env: HINET_SEARCH_TOKEN]",
    ),
    click.option(
        "--token-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="FILE",
        help="File that holds the token.",
    ),
)
@output_options()
def command(study: str | None, token_file: Path | None, **given: Any) -> None:
    """Serve live reports of the stored studies, and optuna-dashboard under /optuna/:
    read-only, to this machine only.

    STUDY is the study whose page is printed; its file may name the database.
    """
    from hinet_search.dashboard.access import Access
    from hinet_search.dashboard.server import serve

    access_options = ("host", "port", "names", "token")
    access = Access(**{name: given.pop(name) for name in access_options})
    if token_file is not None:
        access = replace(access, token=_read_token(token_file))

    def print_address(address: str) -> None:
        readers = "anyone with the token" if access.token else "this machine only"
        output().note(f"{address}  read-only, {readers} (Ctrl-C stops it)")

    with suppress(KeyboardInterrupt):  # Ctrl-C ends it
        options = launch_options(given)
        name, url = (None, options.storage_url()) if study is None else options.stored_name(study)
        serve(url, access, print_address, name)


def _read_token(file: Path) -> str:
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
