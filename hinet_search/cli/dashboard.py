"""Watch studies in the browser: their reports, live, with optuna-dashboard beside them."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from hinet_search.cli._options import launch_options, places


@click.command(name="dashboard")
@click.argument("study", required=False)
@places
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on; others than loopback need a token."
)
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True)
@click.option("--name", "names", metavar="HOST", multiple=True, help="What browsers call this machine, beside --host.")
@click.option(
    "--token",
    envvar="HINET_SEARCH_TOKEN",
    show_envvar=True,
    help="Whoever asks must bring it. On a command line others can read it.",
)
@click.option(
    "--token-file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="File that holds the token."
)
@click.option("--writable", is_flag=True, help="Let its pages change and delete studies.")
def command(study: str | None, token_file: Path | None, **given: Any) -> None:
    """Serve the reports of the stored studies, live, and optuna-dashboard under /optuna/: read-only, on this machine only.

    STUDY is the one whose page is named; its file may name a database of its own.

    \b
    hinet-search dashboard
    hinet-search dashboard quickstart
    hinet-search dashboard --output runs --port 8090
    HINET_SEARCH_TOKEN=$(openssl rand -hex 16) hinet-search dashboard --host 10.0.0.5
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
        click.echo(f"{address}  {what}, {who} (Ctrl-C ends it)", err=True)

    with suppress(KeyboardInterrupt):  # how one ends it
        options = launch_options(given)
        name, url = (None, options.storage_url()) if study is None else stored_name(study, options)
        serve(url, access, say, name)
