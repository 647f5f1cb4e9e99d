"""Read: write the report of a stored study."""

import time
import webbrowser
from pathlib import Path
from typing import Any

import click

from hinet_search.cli._layout import Command, option
from hinet_search.cli._options import launch_options, stored_study, study_argument
from hinet_search.cli._speaking import speaking
from hinet_search.cli._voice import voice
from hinet_search.plugins import names


@click.command(
    name="report",
    cls=Command,
    codes=("4", "5"),
    examples=(
        "hinet-search report quickstart --open",
        "hinet-search report kuairand --size quick --public",
        "hinet-search report kuairand --format md --to comment.md",
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
@option(
    "Output",
    "--format",
    "kind",
    type=click.Choice(names("hinet_search.report.formats")),
    default="html",
    show_default=True,
    help="A page; its data as JSON; tables of trials, evaluations and finalists as CSV; Markdown for a pull request.",
)
@option("Output", "--public", "is_public", is_flag=True, help="Leave out paths, commands, host and user names.")
@option("Output", "--open", "opens", is_flag=True, help="Open it in a browser.")
@speaking
def command(study: str, to: Path | None, kind: str, is_public: bool, opens: bool, **given: Any) -> None:  # noqa: FBT001  click passes flags by name
    """Write the report of STUDY from what is stored, finished or not."""
    from hinet_search.compare.rules import verdict
    from hinet_search.face import load, write_report

    started = time.perf_counter()
    record = load(study, **given)
    if is_public:
        from hinet_search.report.public import public

        record = public(record)
    written = write_report(record, to or launch_options(given).reports / f"{record.name}.{kind}", kind)
    size, seconds = sum(file.stat().st_size for file in written) / 1e6, time.perf_counter() - started
    listed = ", ".join(map(str, written))
    click.echo(f"wrote {listed} ({size:.1f} MB, {seconds:.1f} s): {verdict(record).sentence}")
    if opens and not webbrowser.open(written[0].resolve().as_uri()):
        voice().note("no browser could be started; open the file in one")
