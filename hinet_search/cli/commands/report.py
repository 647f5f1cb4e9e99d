"""Read: write the report of a stored study."""

import time
import webbrowser
from collections.abc import Callable, Sequence
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
    study_options,
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
@study_options(SIZE, VARIANT)
@places
@output_options(
    click.option(
        "--to",
        metavar="FILE",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Where to write it.",
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
    from hinet_search.report.json_document import json_text
    from hinet_search.report.redact import redact

    kind, is_public, opens = (given.pop(name) for name in ("kind", "is_public", "opens"))
    if as_json and (after is not None or to is not None or opens or kind not in ("html", "json")):
        raise click.UsageError(
            "--json prints the document of one study: "
            "it excludes a second study, --to, --open and --format"
        )
    _require_page(after, kind)
    started = time.perf_counter()

    def stored(name: str) -> "StudyRecord":
        loaded = load(name, **given)
        return redact(loaded) if is_public else loaded

    def path_for(name: str) -> Path:
        return to or launch_options(given).reports / f"{name}.{kind}"

    record = stored(study)
    if as_json:
        echo_json(json_text(record))
        return
    files, sentence = _write(record, None if after is None else stored(after), path_for, kind)
    size = byte_size(sum(file.stat().st_size for file in files))
    seconds = time.perf_counter() - started
    echo(f"wrote {', '.join(map(str, files))} ({size}, {seconds:.1f} s): {sentence}")
    if opens and not webbrowser.open(files[0].resolve().as_uri()):
        output().note("no browser could be started; open the file in one")


def _write(
    record: "StudyRecord",
    other: "StudyRecord | None",
    path_for: Callable[[str], Path],
    kind: str,
) -> tuple[Sequence[Path], str]:
    """Write the report of one study or of two; return its files and what it says."""
    from hinet_search.report.files import write_pair, write_report
    from hinet_search.results import two_studies
    from hinet_search.results.verdict import verdict

    if other is None:
        return write_report(record, path_for(record.name), kind), verdict(record).sentence
    path = path_for(f"{record.name}-and-{other.name}")
    return write_pair(record, other, path), two_studies.sentence(record, other)


def _require_page(after: str | None, kind: str) -> None:
    """Raise UsageError if two studies are to be compared in another format than a page."""
    if after is not None and kind != "html":
        raise click.UsageError(
            f"two studies are compared on a page, so --format must be html, got {kind}"
        )
