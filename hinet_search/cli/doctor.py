"""Help: examine this machine: what would keep a study from running."""

import shlex
from typing import TYPE_CHECKING, Any

import click

from hinet_search.cli._complete import complete_study
from hinet_search.cli._document import print_document
from hinet_search.cli._layout import Command
from hinet_search.cli._options import as_typed, launch_options, places
from hinet_search.cli._speaking import as_json, speaking
from hinet_search.cli._voice import mark, voice
from hinet_search.errors import EnvironmentFault

if TYPE_CHECKING:
    from hinet_search.doctor import Finding


@click.command(
    name="doctor",
    cls=Command,
    codes=("4",),
    examples=(
        "hinet-search doctor",
        "hinet-search doctor studies/shop.yaml",
        "hinet-search doctor --storage postgresql://ann@db.example/studies --json",
    ),
)
@click.argument("study", required=False, shell_complete=complete_study)
@places
@as_json
@speaking
def command(study: str | None, as_json: bool, **given: Any) -> None:  # noqa: FBT001  click passes flags by name
    """Examine versions, processors, memory, device, disk and database; with STUDY those it names, and its data.

    Nothing is changed.
    """
    from hinet_search.doctor import examine

    options, findings = launch_options(given), []
    for finding in examine(options, options.load(study) if study else None):
        findings.append(finding)
        if not as_json:
            _show(finding)
    blocking = [finding.name for finding in findings if finding.blocks]
    if as_json:
        print_document("doctor", can_run=not blocking, findings=findings)
        click.get_current_context().exit(EnvironmentFault.exit_code if blocking else 0)
    if blocking:
        raise EnvironmentFault(f"no study can run here: {' and '.join(blocking)}", remedy="what to do stands above")
    voice().next(shlex.join(["hinet-search", "launch", study or "quickstart", *as_typed(given, options)]))


def _show(finding: "Finding") -> None:
    shown = mark("x" if finding.blocks else "!!" if finding.problem else "ok")
    click.echo(f"{shown}  {finding.name:<12}{finding.value}")
    if finding.problem:
        click.echo(f"    {'':<12}{finding.problem}")
