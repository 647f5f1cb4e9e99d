"""Use: score new rows with an exported model."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hinet_search.cli.options import Command, as_json, output_options, plugins, scored_on
from hinet_search.cli.output import echo, mark, output, print_document
from hinet_search.common.amounts import duration

if TYPE_CHECKING:
    from hinet_search.serving.model_folder import JoinedRows

NAMED_FROM = 0.001  # smaller rates are summarised


@click.command(
    name="predict",
    cls=Command,
    codes=("3", "4"),
    examples=(
        "hinet-search predict winner rows.parquet -o scores.parquet",
        "hinet-search predict hinet-shop 'days/*.parquet' -o scores.parquet --device cuda",
        "hinet-search predict winner monday.parquet -o scores.parquet --log sunday.parquet",
    ),
)
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("rows")
@scored_on
@plugins
@output_options(
    click.option(
        "-o",
        "--to",
        metavar="FILE",
        required=True,
        type=click.Path(dir_okay=False, path_type=Path),
        help="A .parquet file; an existing one is overwritten.",
    ),
    click.option(
        "--log",
        metavar="TABLE",
        help="Labelled rows that are newer than the study, which ROWS see; it may be ROWS itself.",
    ),
    as_json,
)
def command(
    folder: Path,
    rows: str,
    to: Path,
    log: str | None,
    as_json: bool,  # noqa: FBT001  click passes flags by name
    **given: Any,
) -> None:
    """Score ROWS (a table, or a folder or glob of tables) with the model in FOLDER,
    which hinet-search export wrote.

    Scores are probabilities, or expected amounts, one column per task, each row in its own
    scenario. The output keeps user, item, scenario and time. Labels are not needed.
    """
    from dataclasses import asdict

    from hinet_search.api import predict

    result = predict(folder, rows, to, log=log, **given)
    if as_json:
        print_document("predict", **asdict(result))
        return
    scored = f"{result.rows:,} rows in {result.seconds:.1f} s -> {result.scores}"
    echo(f"{scored} ({', '.join(result.tasks)}); unseen: {_unseen(result.unseen)}")
    if result.log is not None:
        echo(f"log: {_joined(result.log)}")
    if result.newer:
        warning = (
            f"many rows have a value of {', '.join(result.newer)} that training did not have (of "
            f"validation: {_unseen(result.newer)}): is the model old?"
        )
        output().note(mark("!!"), f"  {warning}")
    if result.log_age is not None:
        warning = (
            f"the log ends {duration(result.log_age)} before the middle one of these rows: what "
            "the model reads of it is old; give labelled rows since then with --log"
        )
        output().note(mark("!!"), f"  {warning}")


def _joined(log: "JoinedRows") -> str:
    """Return `120 rows joined, 3 without a label, 20 not newer than the log`."""
    parts = [f"{log.joined:,} rows joined"]
    if log.unlabelled:
        parts.append(f"{log.unlabelled:,} without a label")
    if log.again:
        parts.append(f"{log.again:,} not newer than the log")
    return ", ".join(parts)


def _unseen(rates: Mapping[str, float]) -> str:
    """Return `item_id 2.4 %, user_id 0.3 %, others below 0.1 %`."""
    named = [(name, rate) for name, rate in rates.items() if rate >= NAMED_FROM]
    named.sort(key=lambda pair: -pair[1])
    parts = [f"{name} {100 * rate:.1f} %" for name, rate in named]
    if any(0 < rate < NAMED_FROM for rate in rates.values()):
        parts.append(f"{'others' if parts else 'all'} below {100 * NAMED_FROM:.1f} %")
    return ", ".join(parts) or "nothing"
