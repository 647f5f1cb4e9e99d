"""Say what this machine is, and what would keep a study from running on it."""

from typing import Any

import click

from hinet_search.cli._options import launch_options, places
from hinet_search.errors import EnvironmentFault


@click.command(name="doctor")
@places
def command(**given: Any) -> None:
    """Examine versions, processors, memory, device, disk and database; changes nothing.

    \b
    hinet-search doctor
    hinet-search doctor --storage postgresql://ann@db.example/studies
    """
    from hinet_search.doctor import examine

    blocking = []
    for finding in examine(launch_options(given)):
        mark = "x" if finding.blocks else "!" if finding.problem else " "
        click.echo(f"{mark} {finding.name:<12}{finding.value}")
        if finding.problem:
            click.echo(f"  {'':<12}{finding.problem}")
        blocking += [finding] if finding.blocks else []
    if blocking:
        names = " and ".join(finding.name for finding in blocking)
        raise EnvironmentFault(f"no study can run here: {names}", remedy="what to do stands above")
    click.echo("\nNext: hinet-search launch quickstart")
