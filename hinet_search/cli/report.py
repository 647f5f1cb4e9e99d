"""Write the report of a stored study."""

from pathlib import Path
from typing import Any

import click

from hinet_search.cli._options import launch_options, stored_study


@click.command(name="report")
@click.argument("study")
@stored_study
@click.option("--to", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Where to write it.")
def command(study: str, to: Path | None, **given: Any) -> None:
    """Write the report of STUDY from what is stored, finished or not.

    \b
    hinet-search report quickstart
    hinet-search report kuairand --to kuairand.html
    """
    from hinet_search.compare.rules import verdict
    from hinet_search.face import load, write_report

    options = launch_options(given)
    record = load(study, **given)
    path = to or options.reports / f"{record.name}.html"
    write_report(record, path)
    click.echo(f"wrote {path} ({path.stat().st_size / 1e6:.2f} MB): {verdict(record).sentence}")
