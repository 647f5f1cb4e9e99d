"""Read: write the report of a stored study."""

import time
import webbrowser
from pathlib import Path
from typing import Any

import click

from hinet_search.cli._complete import complete_study
from hinet_search.cli._kinds import OneOf
from hinet_search.cli._layout import Command, option
from hinet_search.cli._options import launch_options, stored_study, study_argument
from hinet_search.cli._speaking import as_json, speaking
from hinet_search.cli._voice import voice
from hinet_search.cli._words import file_size
from hinet_search.plugins import names
from hinet_search.records import StudyRecord


@click.command(
    name="report",
    cls=Command,
    codes=("4", "5"),
    examples=(
        "hinet-search report quickstart --open",
        "hinet-search report kuairand --size quick --format md --to comment.md",
        "hinet-search report before after",
    ),
)
@study_argument
@click.argument("after", metavar="[STUDY]", required=False, shell_complete=complete_study)
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
    type=OneOf(names("hinet_search.report.formats")),
    default="html",
    show_default=True,
    help="A page; its data as JSON; tables of trials, evaluations and finalists as CSV; Markdown for a pull request.",
)
@option("Output", "--public", "is_public", is_flag=True, help="Leave out paths, commands, host and user names.")
@option("Output", "--open", "opens", is_flag=True, help="Open it in a browser.")
@as_json
@speaking
def command(study: str, after: str | None, to: Path | None, as_json: bool, **given: Any) -> None:  # noqa: FBT001  click passes flags by name
    """Write the report of STUDY from what is stored, finished or not; of two studies, what the second gained over the first."""
    from hinet_search.compare import across, verdict
    from hinet_search.face import load, write_pair, write_report
    from hinet_search.report.embedded import json_text
    from hinet_search.report.public import public

    kind, is_public, opens = (given.pop(name) for name in ("kind", "is_public", "opens"))
    if as_json and (after is not None or to is not None or opens or kind not in ("html", "json")):
        raise click.UsageError(
            "--json prints the document of one study: it takes no second one, --to, --open or --format"
        )
    if after is not None and kind != "html":
        raise click.UsageError(f"two studies are compared on a page, so --format must be html, got {kind}")
    started = time.perf_counter()

    def stored(name: str) -> StudyRecord:
        found = load(name, **given)
        return public(found) if is_public else found

    def place(name: str) -> Path:
        return to or launch_options(given).reports / f"{name}.{kind}"

    record = stored(study)
    if as_json:
        click.echo(json_text(record))
        return
    if after is None:
        written, said = write_report(record, place(record.name), kind), verdict(record).sentence
    else:
        other = stored(after)
        written = write_pair(record, other, place(f"{record.name}-and-{other.name}"))
        said = across.sentence(record, other)
    size, seconds = file_size(sum(file.stat().st_size for file in written)), time.perf_counter() - started
    click.echo(f"wrote {', '.join(map(str, written))} ({size}, {seconds:.1f} s): {said}")
    if opens and not webbrowser.open(written[0].resolve().as_uri()):
        voice().note("no browser could be started; open the file in one")
