"""Help: migrate a database of an older hinet-search."""

from typing import Any

import click

from hinet_search.cli.help import Command
from hinet_search.cli.options import launch_options, output_options, places
from hinet_search.cli.output import echo, output


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
@output_options()
def command(**given: Any) -> None:
    """Migrate the tables of an older hinet-search to this version.
    A launch does so too; make a copy first.
    """
    from hinet_search.storage.engine import migrate

    messages: list[str] = []
    migrate(launch_options(given).storage_url(), messages.append)
    echo(messages[0] if messages else "nothing to do: the tables are of this version")
    output().next("hinet-search status")
