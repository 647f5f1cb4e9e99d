"""Help: bring a database of an older hinet-search forward."""

from typing import Any

import click

from hinet_search.cli._layout import Command
from hinet_search.cli._options import launch_options, places
from hinet_search.cli._speaking import speaking
from hinet_search.cli._voice import voice


@click.command(
    name="migrate",
    cls=Command,
    codes=("4", "5"),
    examples=(
        "hinet-search migrate",
        "hinet-search migrate --output runs",
        "hinet-search migrate --storage postgresql://ann@db.example/studies",
    ),
)
@places
@speaking
def command(**given: Any) -> None:
    """Bring the tables of an older hinet-search to this version. A launch does so too; make a copy first."""
    from hinet_search.storage.engine import migrate

    said: list[str] = []
    migrate(launch_options(given).storage_url(), said.append)
    click.echo(said[0] if said else "nothing to do: the tables are of this version")
    voice().next("hinet-search status")
