"""Show the stored studies: state, trials, best value."""

from typing import Any

import click

from hinet_search.cli._options import launch_options, places
from hinet_search.cli._words import value_or_dash


@click.command(name="status")
@click.argument("study", required=False)
@places
def command(study: str | None, **given: Any) -> None:
    """List the studies of a database; STUDY is needed only where its file names a database of its own.

    \b
    hinet-search status
    hinet-search status --output runs
    """
    from hinet_search.face import stored_url
    from hinet_search.storage.engine import connect
    from hinet_search.storage.listing import list_studies

    database = connect(stored_url(study, launch_options(given)))
    try:
        studies = list_studies(database)
    finally:
        database.close()
    if not studies:
        click.echo("no studies yet; Next: hinet-search launch quickstart")
        return
    click.echo(f"{'study':<24}{'state':<12}{'trials':>12}  {'best (valid)':<28}updated (UTC)")
    for one in studies:
        best = f"{one.best_arm} {value_or_dash(one.best_value)}" if one.best_arm else "none yet"
        click.echo(f"{one.name:<24}{one.state:<12}{f'{one.done}/{one.budget}':>12}  {best:<28}{one.updated}")
    if any(one.state == "interrupted" for one in studies):
        click.echo("\ninterrupted: whoever ran it is gone; the same launch goes on with it")
