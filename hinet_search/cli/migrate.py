"""Bring a database of an older hinet-search forward."""

from typing import Any

import click

from hinet_search.cli._options import launch_options, places


@click.command(name="migrate")
@places
def command(**given: Any) -> None:
    """Bring the tables of an older hinet-search to this version. A launch does so too; make a copy first.

    \b
    hinet-search migrate
    hinet-search migrate --storage postgresql://ann@db.example/studies
    """
    from hinet_search.storage.engine import migrate

    said: list[str] = []
    migrate(launch_options(given).storage_url(), said.append)
    click.echo(said[0] if said else "nothing to do: the tables are of this version")
