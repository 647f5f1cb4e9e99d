"""Help: examine this machine for problems that would keep a study from running."""

import shlex
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
from hinet_search.cli.output import echo, mark, output, print_document
from hinet_search.common.errors import EnvironmentFault
from hinet_search.common.terminal import table_text

if TYPE_CHECKING:
    from hinet_search.search.machine import MachineFact


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
@click.argument("study", required=False)
@places
@output_options(as_json)
def command(
    study: str | None,
    as_json: bool,  # noqa: FBT001  click passes flags by name
    **given: Any,
) -> None:
    """Examine versions, processors, memory, device, disk and database;
    with STUDY those that it names, and its data.

    Nothing is changed.
    """
    from hinet_search.search.machine import examine

    options = launch_options(given)
    findings = []
    for finding in examine(options, options.load(study) if study else None):
        findings.append(finding)
        if not as_json:
            _show(finding)
    blocking = [finding.name for finding in findings if finding.blocks]
    if as_json:
        print_document("doctor", can_run=not blocking, findings=findings)
        click.get_current_context().exit(EnvironmentFault.exit_code if blocking else 0)
    if blocking:
        raise EnvironmentFault(
            f"no study can run here: {' and '.join(blocking)}", remedy="see above what to do"
        )
    output().next(
        shlex.join(["hinet-search", "launch", study or "quickstart", *as_typed(given, options)])
    )


def _show(finding: "MachineFact") -> None:
    """Print a finding with its problem below its value."""
    rows = [(finding.name, finding.value)]
    symbol = "ok"
    if finding.problem:
        rows.append(("", finding.problem))
        symbol = "!!"
    if finding.blocks:
        symbol = "x"
    first, *rest = table_text(rows, least_widths={0: 10}).splitlines()
    echo(mark(symbol), f"  {first}")
    for line in rest:
        echo(f"    {line}")
