"""Use: fit an exported model again on newer rows."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from cloup import option_group

from hinet_search.cli.help import Command
from hinet_search.cli.options import (
    FORGET_AFTER,
    HELD_OUT,
    LEARNING_RATE,
    NEW_FOLDER,
    as_json,
    output_options,
    plugins,
    scored_on,
)
from hinet_search.cli.output import echo, mark, output, print_document
from hinet_search.common.amounts import byte_size
from hinet_search.common.errors import StudyConflict

if TYPE_CHECKING:
    from hinet_search.serving.newer.comparison import CellChange
    from hinet_search.serving.newer.fit_again import NewerModel


@click.command(
    name="refit",
    cls=Command,
    codes=("3", "4", "5"),
    examples=(
        "hinet-search refit winner rows.parquet -o newer",
        "hinet-search refit hinet-shop 'days/*.parquet' -o newer-shop --device cuda",
        "hinet-search refit hinet-shop rows.csv --learning-rate 1e-4 -o newer-shop --json",
    ),
)
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("rows")
@option_group(
    "How to fit",
    HELD_OUT,
    LEARNING_RATE,
    FORGET_AFTER,
    click.option(
        "--even-if-worse", is_flag=True, help="Write the folder even if it is shown to be worse."
    ),
)
@scored_on
@plugins
@output_options(NEW_FOLDER, as_json)
def command(
    folder: Path,
    rows: str,
    to: Path,
    as_json: bool,  # noqa: FBT001  click passes flags by name
    **given: Any,
) -> None:
    """Fit the model in FOLDER, which hinet-search export wrote, again on ROWS (a table, or a
    folder or glob of tables), which have labels and are newer than those it learned from.

    It starts from its weights, and its vocabularies and statistics grow. Both models are compared
    on the newest rows, which are held out. The new folder is written unless it is shown to be worse
    there: by the 95 % interval, over users, of its gain.
    """
    from dataclasses import asdict

    from hinet_search.exported import refit

    made = refit(folder, rows, to, say=output().note, **given)
    if as_json:
        properties = {"is_worse": made.is_worse, "is_written": made.is_written}
        print_document("refit", **asdict(made), **properties)
        click.get_current_context().exit(0 if made.is_written else StudyConflict.exit_code)
    for line in _comparison(made):
        echo(line)
    if not made.is_written:
        raise StudyConflict(
            f"{made.model} is {made.verdict}, on {made.judging:,} held-out rows; "
            "nothing is written",
            remedy="keep the shipped folder, try --learning-rate with a lower one, or write it "
            "with --even-if-worse",
        )
    _print_written(made)
    output().next(f"hinet-search predict {shlex.quote(str(to))} rows.parquet -o scores.parquet")


def _comparison(made: "NewerModel") -> Iterator[str]:
    """Yield the verdict, then every cell with the values of the shipped model and the new one."""
    from hinet_search.serving.newer.card import counts_in_words

    learned = made.rows - made.held_out
    yield f"{made.model}: {made.verdict}, on {made.judging:,} held-out rows"
    new_ids = f"new ids: {counts_in_words(made.new_ids)}"
    yield f"learned from {learned:,} rows, {_passes(made)}; {new_ids}"
    if made.forgotten_ids:
        yield f"forgotten ids: {counts_in_words(made.forgotten_ids)}"
    if made.unlabelled:
        yield f"{made.unlabelled:,} rows without a label are left out"
    width = max(len(_name(cell)) for cell in made.cells)
    for cell in made.cells:
        values = [
            f"AUC {_change(cell.auc_before, cell.auc)}",
            f"log loss {_change(cell.logloss_before, cell.logloss)}",
            f"ECE {_change(cell.ece_before, cell.ece)}",
        ]
        if cell.rmse is not None:
            values.append(f"RMSE {_change(cell.rmse_before, cell.rmse)}")
            values.append(f"MAE {_change(cell.mae_before, cell.mae)}")
        yield f"{_name(cell):<{width}}  {cell.rows:>9,} rows  {'  '.join(values)}"


def _name(cell: "CellChange") -> str:
    return f"{cell.scenario} · {cell.task}"


def _change(before: float | None, after: float | None) -> str:
    from hinet_search.report.drawing.numbers import metric

    return f"{metric(before)} -> {metric(after)}"


def _passes(made: "NewerModel") -> str:
    fewest = min(made.passes)
    most = max(made.passes)
    return f"{fewest:.2f} passes" if fewest == most else f"{fewest:.2f} to {most:.2f} passes"


def _print_written(made: "NewerModel") -> None:
    if made.is_worse:
        echo(
            mark("!!"), "  it is shown to be worse than the shipped model, and written all the same"
        )
    size = byte_size(sum(made.files.values()))
    echo(f"wrote {made.folder}/: {len(made.files)} files, {size}")
