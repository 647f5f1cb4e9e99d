"""Read: write the report of a stored study."""

import time
import webbrowser
from pathlib import Path
from typing import Any

import click

from hinet_search.cli.options import (
    SIZE,
    VARIANT,
    Command,
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


@click.command(
    name="report",
    cls=Command,
    codes=("4", "5"),
    examples=(
        "hinet-search report quickstart --open",
        "hinet-search report studies/rows.yaml --size full --format md --to comment.md",
        "hinet-search report quickstart --public --to public.html",
    ),
)
@study_argument
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
    click.option(
        "--mlflow",
        "mlflow_uri",
        metavar="[URI]",
        is_flag=False,
        flag_value="",
        help="Log a finished study to MLflow too.  [env of its place: MLFLOW_TRACKING_URI]",
    ),
    click.option("--open", "opens", is_flag=True, help="Open it in a browser."),
    as_json,
)
def command(
    study: str,
    to: Path | None,
    as_json: bool,  # noqa: FBT001  click passes flags by name
    **given: Any,
) -> None:
    """Write the report of STUDY from what is stored, finished or not."""
    from hinet_search.api import load

    kind = given.pop("kind")
    is_public = given.pop("is_public")
    opens = given.pop("opens")
    mlflow_uri = given.pop("mlflow_uri")
    if as_json and (to or opens or mlflow_uri is not None or kind not in ("html", "json")):
        raise click.UsageError(
            "--json prints a document: it excludes --to, --open, --format and --mlflow"
        )
    started = time.perf_counter()
    record = load(study, **given)

    from hinet_search.report.formats import write_report
    from hinet_search.report.json_document import json_text
    from hinet_search.report.redact import redact
    from hinet_search.results.verdict import verdict

    if is_public:
        record = redact(record)
    if as_json:
        echo_json(json_text(record))
        return
    path = to or launch_options(given).reports / f"{record.name}.{kind}"
    files = write_report(record, path, kind)
    size = byte_size(sum(file.stat().st_size for file in files))
    seconds = time.perf_counter() - started
    paths = ", ".join(map(str, files))
    echo(f"wrote {paths} ({size}, {seconds:.1f} s): {verdict(record).sentence}")
    if mlflow_uri is not None:
        from hinet_search.report.mlflow_runs import log_study

        echo(f"logged to {log_study(record, mlflow_uri)}")
    if opens and not webbrowser.open(files[0].resolve().as_uri()):
        output().note("no browser could be started; open the file in one")
