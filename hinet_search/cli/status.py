"""Run: show the stored studies: state, trials, best value, verdict."""

import shlex
from datetime import UTC, datetime
from typing import Any

import click

from hinet_search.cli._complete import complete_study
from hinet_search.cli._document import print_document
from hinet_search.cli._layout import Command
from hinet_search.cli._options import as_typed, launch_options, places
from hinet_search.cli._speaking import as_json, speaking
from hinet_search.cli._voice import voice
from hinet_search.cli._words import ago, value_or_dash


@click.command(
    name="status",
    cls=Command,
    codes=("4", "5"),
    examples=(
        "hinet-search status",
        "hinet-search status --output runs",
        "hinet-search status --storage postgresql://ann@db.example/studies --json",
    ),
)
@click.argument("study", required=False, shell_complete=complete_study)
@places
@as_json
@speaking
def command(study: str | None, as_json: bool, **given: Any) -> None:  # noqa: FBT001  click passes flags by name
    """List the studies of a database; STUDY is needed only where its file names a database of its own."""
    from hinet_search.face import stored_url
    from hinet_search.storage.engine import connect
    from hinet_search.storage.listing import list_studies

    options = launch_options(given)
    database = connect(stored_url(study, options))
    try:
        studies = list_studies(database)
    finally:
        database.close()
    if as_json:
        print_document("status", studies=studies)
        return
    if not studies:
        click.echo("no studies yet")
        voice().next("hinet-search launch quickstart")
        return
    where = as_typed(given, options)
    width = max(len("study"), *(len(one.name) for one in studies)) + 2
    click.echo(f"{'study':<{width}}{'state':<12}{'trials':>10}  {'best (valid)':<24}updated")
    for one in studies:
        best = f"{one.best_arm} {value_or_dash(one.best_value)}" if one.best_arm else "none yet"
        updated = ago((datetime.now(UTC) - datetime.fromisoformat(one.updated)).total_seconds())
        click.echo(f"{one.name:<{width}}{one.state:<12}{f'{one.done}/{one.budget}':>10}  {best:<24}{updated}")
        if one.state == "done":
            report = shlex.join(["hinet-search", "report", one.name, *where])
            click.echo(f"  {one.verdict or f'verdict not kept by the version that ran it: {report}'}")
    if any(one.state == "interrupted" for one in studies):
        voice().note("interrupted: whoever ran it is gone; the same launch goes on with it")
    newest = max(studies, key=lambda one: one.updated)
    voice().next(shlex.join(["hinet-search", "report", newest.name, *where]))
