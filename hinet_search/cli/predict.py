"""Use: score new rows with an exported model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from hinet_search.cli._complete import complete_table
from hinet_search.cli._document import print_document
from hinet_search.cli._layout import Command, option
from hinet_search.cli._options import plugin_options
from hinet_search.cli._speaking import as_json, speaking
from hinet_search.cli._voice import mark, voice

NAMED_FROM = 0.001  # rates below are not told one by one


@click.command(
    name="predict",
    cls=Command,
    codes=("3", "4"),
    examples=(
        "hinet-search predict winner rows.parquet -o scores.parquet",
        "hinet-search predict hinet-shop 'days/*.parquet' -o scores.parquet --device cuda",
        "hinet-search predict hinet-shop rows.csv -o scores.parquet --json",
    ),
)
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("rows", shell_complete=complete_table)
@option(
    "Output", "-o", "--to", metavar="FILE", required=True, type=click.Path(dir_okay=False, path_type=Path),
    help="A .parquet file, which is written over.",
)  # fmt: skip
@option("Where to run", "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="cpu", show_default=True)
@plugin_options
@as_json
@speaking
def command(folder: Path, rows: str, to: Path, as_json: bool, **given: Any) -> None:  # noqa: FBT001  click passes flags
    """Score ROWS (Parquet or CSV, one file or a glob) with the model in FOLDER, which hinet-search export wrote.

    Scores are probabilities, a column a task, each row in its own scenario. Columns of user, item, scenario and time stand
    beside them. Labels are not needed.
    """
    from dataclasses import asdict

    from hinet_search.data.unseen import WARN_ABOVE
    from hinet_search.face import predict

    done = predict(folder, rows, to, **given)
    if as_json:
        print_document("predict", **asdict(done))
        return
    scored = f"{done.rows:,} rows in {done.seconds:.1f} s -> {done.scores} ({', '.join(done.tasks)})"
    click.echo(f"{scored}; unseen: {_unseen(done.unseen)}")
    if many := [name for name, rate in done.unseen.items() if rate > WARN_ABOVE]:
        said = f"many rows have a value of {', '.join(many)} that training did not have: is the model old?"
        voice().note(f"{mark('!!')}  {said}")


def _unseen(rates: Mapping[str, float]) -> str:
    """`item_id 2.4 %, user_id 0.3 %, others below 0.1 %`."""
    shown = [(name, rate) for name, rate in rates.items() if rate >= NAMED_FROM]
    words = [f"{name} {100 * rate:.1f} %" for name, rate in sorted(shown, key=lambda pair: -pair[1])]
    if any(0 < rate < NAMED_FROM for rate in rates.values()):
        words.append(f"{'others' if words else 'all'} below {100 * NAMED_FROM:.1f} %")
    return ", ".join(words) or "nothing"
