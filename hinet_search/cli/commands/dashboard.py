"""Read: watch studies in the browser: live reports, and optuna-dashboard."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from cloup import option_group

from hinet_search.cli.access_options import HOST, TOKEN, TOKEN_FILE, port, read_token
from hinet_search.cli.help import Command
from hinet_search.cli.options import launch_options, output_options, places
from hinet_search.cli.output import output


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
    HOST,
    port(8080),
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
    TOKEN,
    TOKEN_FILE,
    click.option(
        "--writable",
        is_flag=True,
        help="Let its pages change Optuna's copies of studies; a launch makes them again.",
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

    access_options = ("host", "port", "names", "token", "writable")
    access = Access(**{name: given.pop(name) for name in access_options})
    if token_file is not None:
        access = replace(access, token=read_token(token_file))

    def print_address(address: str) -> None:
        readers = "anyone with the token" if access.token else "this machine only"
        rights = "can be changed" if access.writable else "read-only"
        output().note(f"{address}  {rights}, {readers} (Ctrl-C stops it)")

    with suppress(KeyboardInterrupt):  # Ctrl-C ends it
        options = launch_options(given)
        name, url = (None, options.storage_url()) if study is None else options.stored_name(study)
        serve(url, access, print_address, name)
