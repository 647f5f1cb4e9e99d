"""Use: compare new rows with those that an exported model learned from."""

from pathlib import Path
from typing import Any

import click

from hinet_search.cli.help import Command
from hinet_search.cli.options import as_json, output_options, plugins, scored_on
from hinet_search.cli.output import echo, mark, output, print_document


@click.command(
    name="monitor",
    cls=Command,
    codes=("3", "4"),
    examples=(
        "hinet-search monitor winner rows.parquet",
        "hinet-search monitor hinet-shop 'days/*.parquet' -o drift.md",
        "hinet-search monitor hinet-shop rows.csv --json",
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
        metavar="FILE.md",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Also write a card with all figures; an existing file is overwritten.",
    ),
    as_json,
)
def command(
    folder: Path,
    rows: str,
    to: Path | None,
    as_json: bool,  # noqa: FBT001  click passes flags by name
    **given: Any,
) -> None:
    """Compare ROWS (a table, or a folder or glob of tables) with the rows that the model in FOLDER,
    which hinet-search export wrote, learned from.

    It tells which scenarios, ids and inputs have changed. If the rows have the columns of labels,
    it also tells what the model is worth on them. !! marks what is more than chance; ?? marks
    what would be if rows were independent, where they name no user.
    """
    from dataclasses import asdict

    from hinet_search.exported import monitor

    drift = monitor(folder, rows, to, **given)

    from hinet_search.serving.drift_card import drift_lines, rows_in_words

    if as_json:
        print_document("monitor", **asdict(drift), is_notable=drift.is_notable)
        return
    compared = f"compared with {drift.training_rows:,} of training of {drift.model}"
    echo(f"{rows_in_words(drift)}, {compared}")
    for line in drift_lines(drift):
        echo(mark(line.mark), f"  {line.about:<10} {line.text}")
    if to is not None:
        output().note(f"wrote {to}")
