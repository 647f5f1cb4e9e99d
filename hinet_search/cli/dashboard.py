"""Read: watch studies in the browser."""

from contextlib import suppress
from typing import Any

import click

from hinet_search.cli._layout import Command, option
from hinet_search.cli._options import launch_options, places
from hinet_search.cli._speaking import speaking
from hinet_search.cli._voice import voice

_ADDRESS = "Address"


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
@places
@option(_ADDRESS, "--host", default="127.0.0.1", show_default=True, help="Loopback addresses only.")
@option(_ADDRESS, "--port", type=click.IntRange(1, 65535), default=8080, show_default=True, help="Where to listen.")
@speaking
def command(host: str, port: int, **given: Any) -> None:
    """Serve optuna-dashboard for the stored studies, read-only, on this machine only."""
    from hinet_search.dashboard import serve

    def say(address: str) -> None:
        voice().note(f"{address}  read-only, this machine only (Ctrl-C ends it)")

    with suppress(KeyboardInterrupt):  # how one ends it
        serve(launch_options(given).storage_url(), host, port, say)
