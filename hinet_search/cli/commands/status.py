"""Run: show the stored studies: state, trials, best value, verdict."""

import shlex
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hinet_search.cli.options import (
    Command,
    as_json,
    as_typed,
    launch_options,
    output_options,
    places,
)
from hinet_search.cli.output import ago, echo, output, output_width, print_document, value_or_dash
from hinet_search.common.terminal import table_text

if TYPE_CHECKING:
    from hinet_search.storage.row_mapping import StudySummary


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
@click.argument("study", required=False)
@places
@output_options(as_json)
def command(
    study: str | None,
    as_json: bool,  # noqa: FBT001  click passes flags by name
    **given: Any,
) -> None:
    """List the studies of a database, or STUDY alone with its sizes and variants."""
    from hinet_search.common.errors import EnvironmentFault
    from hinet_search.storage.damage import REMEDY
    from hinet_search.storage.engine import connect
    from hinet_search.storage.listing import find_study, list_studies

    options = launch_options(given)
    name, url = (None, options.storage_url()) if study is None else options.stored_name(study)
    with closing(connect(url)) as database:
        studies = list_studies(database)
        if study is not None:
            of_file = f"{Path(study).stem}-"  # a size or variant of the study of a file
            studies = tuple(
                stored
                for stored in studies
                if stored.name == name or stored.name.startswith(of_file)
            )
        if name is not None and not studies:
            with database.reading() as connection:
                find_study(connection, name)  # an error names the nearest
    damage = [study.damage for study in studies if study.damage]
    if as_json:
        print_document("status", studies=studies)
        if damage:
            click.get_current_context().exit(EnvironmentFault.exit_code)
        return
    if not studies:
        echo("no studies yet")
        output().next("hinet-search launch quickstart")
        return
    _print(studies, as_typed(given, options))
    if damage:
        raise EnvironmentFault(*damage, remedy=REMEDY)
    newest = max(studies, key=lambda study: study.updated)
    output().next(shlex.join(["hinet-search", "report", newest.name, *as_typed(given, options)]))


def _print(studies: Sequence["StudySummary"], where: Sequence[str]) -> None:
    """Print the table of studies, then verdicts, samples, and what inputs add."""
    header = ("study", "state", "trials", "best trial on validation", "updated")
    rows = [_row(study) for study in studies]
    echo(table_text(rows, header, right={2}, width=output_width()))
    lines: list[str] = []
    for study in studies:
        if study.state == "done":
            report = shlex.join(["hinet-search", "report", study.name, *where])
            verdict = study.verdict or f"no verdict is stored, the report says it: {report}"
            lines.append(f"{study.name}: {verdict}")
        if study.searched_on:
            lines.append(f"{study.name}: searched on {study.searched_on}")
        if study.inputs:
            lines.append(f"{study.name}: {study.inputs}")
    if lines:
        echo("\n" + "\n".join(lines))
    if any(study.state == "interrupted" for study in studies):
        output().note("interrupted: its process has ended; the same launch resumes it")


def _row(study: "StudySummary") -> tuple[str, ...]:
    """Return the cells of a study's row; a damaged study has only its name and state."""
    if study.damage:
        return (study.name, study.state)
    best = value_or_dash(None) if study.state == "done" else "none yet"
    if study.best_arm:
        best = f"{study.best_arm} {value_or_dash(study.best_value)}"
    updated = ago((datetime.now(UTC) - datetime.fromisoformat(study.updated)).total_seconds())
    return (study.name, study.state, f"{study.done}/{study.budget}", best, updated)
