"""Read: write the report of a stored study."""

from pathlib import Path
from typing import Any

import click

from hinet_search.cli._layout import Command, option
from hinet_search.cli._options import launch_options, stored_study, study_argument
from hinet_search.cli._speaking import speaking


@click.command(
    name="report",
    cls=Command,
    codes=("4", "5"),
    examples=(
        "hinet-search report quickstart",
        "hinet-search report kuairand --size quick",
        "hinet-search report kuairand --to kuairand.html",
    ),
)
@study_argument
@stored_study
@option(
    "Output",
    "--to",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write it.",
)
@speaking
def command(study: str, to: Path | None, **given: Any) -> None:
    """Write the report of STUDY from what is stored, finished or not."""
    from hinet_search.compare.rules import verdict
    from hinet_search.face import load, write_report

    options = launch_options(given)
    record = load(study, **given)
    path = to or options.reports / f"{record.name}.html"
    write_report(record, path)
    click.echo(f"wrote {path} ({path.stat().st_size / 1e6:.2f} MB): {verdict(record).sentence}")
