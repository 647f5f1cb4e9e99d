"""Watch studies in the browser: optuna-dashboard over the studies' database."""

from contextlib import suppress
from typing import Any

import click

from hinet_search.cli._options import launch_options, places


@click.command(name="dashboard")
@places
@click.option("--host", default="127.0.0.1", show_default=True, help="Loopback addresses only.")
@click.option("--port", type=click.IntRange(1, 65535), default=8080, show_default=True)
def command(host: str, port: int, **given: Any) -> None:
    """Serve optuna-dashboard for the stored studies, read-only, on this machine only.

    \b
    hinet-search dashboard
    hinet-search dashboard --output runs --port 8090
    """
    from hinet_search.dashboard import serve

    def say(address: str) -> None:
        click.echo(f"{address}  read-only, this machine only (Ctrl-C ends it)", err=True)

    with suppress(KeyboardInterrupt):  # how one ends it
        serve(launch_options(given).storage_url(), host, port, say)
