"""Read: watch studies in the browser: their reports, live, with optuna-dashboard beside them."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from hinet_search.cli._complete import complete_study
from hinet_search.cli._kinds import Whole
from hinet_search.cli._layout import Command, option
from hinet_search.cli._options import launch_options, places
from hinet_search.cli._speaking import speaking
from hinet_search.cli._voice import voice

_ADDRESS = "Address"
_ACCESS = "Who may do what"


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
@click.argument("study", required=False, shell_complete=complete_study)
@places
@option(_ADDRESS, "--host", default="127.0.0.1", show_default=True, help="Others than loopback need a token.")
@option(_ADDRESS, "--port", type=Whole(1, 65535), default=8080, show_default=True, help="Where to listen.")
@option(
    _ADDRESS, "--name", "names", metavar="HOST", multiple=True, help="What browsers call this machine, beside --host."
)
@option(
    _ACCESS,
    "--token",
    envvar="HINET_SEARCH_TOKEN",
    show_envvar=True,
    help="Whoever asks must bring it. On a command line others can read it.",
)
@option(
    _ACCESS,
    "--token-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="File that holds the token.",
)
@option(
    _ACCESS,
    "--writable",
    is_flag=True,
    help="Let its pages change studies; one whose trials are deleted there cannot go on.",
)
@speaking
def command(study: str | None, token_file: Path | None, **given: Any) -> None:
    """Serve the reports of the stored studies, live, and optuna-dashboard under /optuna/: read-only, on this machine only.

    STUDY is the one whose page is named; its file may name a database of its own.
    """
    from hinet_search.dashboard import serve
    from hinet_search.face import stored_name
    from hinet_search.guard import Access

    access = Access(**{name: given.pop(name) for name in ("host", "port", "names", "token", "writable")})
    if token_file is not None:
        access = replace(access, token=token_file.read_text(encoding="utf-8").strip())

    def say(address: str) -> None:
        who = "whoever has the token" if access.token else "this machine only"
        what = "can be changed" if access.writable else "read-only"
        voice().note(f"{address}  {what}, {who} (Ctrl-C ends it)")

    with suppress(KeyboardInterrupt):  # how one ends it
        options = launch_options(given)
        name, url = (None, options.storage_url()) if study is None else stored_name(study, options)
        serve(url, access, say, name)
