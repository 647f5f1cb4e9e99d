"""Read: write the report of a stored study."""

import time
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hinet_search.cli.completion import complete_study
from hinet_search.cli.help import Command
from hinet_search.cli.options import (
    SIZE,
    VARIANT,
    WordChoice,
    as_json,
    launch_options,
    output_options,
    places,
    study_argument,
    which_study,
)
from hinet_search.cli.output import echo, echo_json, output
from hinet_search.common.amounts import byte_size
from hinet_search.common.plugins import names

if TYPE_CHECKING:
    from hinet_search.results.study_record import StudyRecord


@click.command(
    name="report",
    cls=Command,
    codes=("4", "5"),
    examples=(
        "hinet-search report quickstart --open",
        "hinet-search report studies/rows.yaml --size full --format md --to comment.md",
        "hinet-search report before after",
    ),
)
@study_argument
@click.argument("after", metavar="[STUDY]", required=False, shell_complete=complete_study)
@which_study(SIZE, VARIANT)
@places
@output_options(
    click.option(
        "--to",
        metavar="FILE",
        type=click.Path(dir_okay=False, path_type=Path),
        help="File to write.  [default: STUDY in reports/]",
    ),
    click.option(
        "--format",
        "kind",
        type=WordChoice(names("hinet_search.report.formats")),
        default="html",
        show_default=True,
        help="A page; its data as JSON; tables of trials, evaluations and finalists as CSV; "
        "Markdown for a pull request.",
    ),
    click.option(
        "--public",
        "is_public",
        is_flag=True,
        help="Leave out paths, commands, host and user names.",
    ),
    click.option("--open", "opens", is_flag=True, help="Open it in a browser."),
    as_json,
)
def command(
    study: str,
    after: str | None,
    to: Path | None,
    as_json: bool,  # noqa: FBT001  click passes flags by name
    **given: Any,
) -> None:
    """Write the report of STUDY from what is stored, finished or not; of two studies,
    what the second gained over the first.
    """
    from hinet_search.api import load

    kind = given.pop("kind")
    is_public = given.pop("is_public")
    opens = given.pop("opens")
    _refuse_together(after, kind, as_json=as_json, writes=bool(to) or opens)
    started = time.perf_counter()
    records = [load(name, **given) for name in filter(None, (study, after))]

    from hinet_search.report.json_document import json_text
    from hinet_search.report.redact import redact

    if is_public:
        records = list(map(redact, records))
    if as_json:
        echo_json(json_text(records[0]))
        return
    name = "-and-".join(record.name for record in records)
    path = to or launch_options(given).reports / f"{name}.{kind}"
    files, sentence = _write(records, path, kind)
    size = byte_size(sum(file.stat().st_size for file in files))
    seconds = time.perf_counter() - started
    echo(f"wrote {', '.join(map(str, files))} ({size}, {seconds:.1f} s): {sentence}")
    if opens and not webbrowser.open(files[0].resolve().as_uri()):
        output().note("no browser could be started; open the file in one")


def _refuse_together(after: str | None, kind: str, *, as_json: bool, writes: bool) -> None:
    """Raise UsageError for options of which one excludes another."""
    if as_json and (writes or after is not None or kind not in ("html", "json")):
        raise click.UsageError(
            "--json prints the document of one study: "
            "it excludes a second study, --to, --open and --format"
        )
    if after is not None and kind != "html":
        raise click.UsageError(
            f"two studies are compared on a page, so --format must be html, got {kind}"
        )


def _write(records: Sequence["StudyRecord"], path: Path, kind: str) -> tuple[Sequence[Path], str]:
    """Write the report of one study or of two; return its files and what it says."""
    from hinet_search.report.files import write_pair, write_report
    from hinet_search.results import two_studies
    from hinet_search.results.verdict import verdict

    first, *others = records
    if not others:
        return write_report(first, path, kind), verdict(first).sentence
    (other,) = others
    return write_pair(first, other, path), two_studies.sentence(first, other)
