"""Use: refit, judge and replace what is served, every night."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from cloup import option_group

from hinet_search.cli.help import Command
from hinet_search.cli.options import (
    FORGET_AFTER,
    HELD_OUT,
    LEARNING_RATE,
    as_json,
    output_options,
    plugins,
    scored_on,
)
from hinet_search.cli.output import echo, mark, output, print_document

if TYPE_CHECKING:
    from hinet_search.serving.nightly.outcome import Night


@click.command(
    name="nightly",
    cls=Command,
    codes=("3", "4"),
    examples=(
        "hinet-search nightly winner monday.parquet -o served",
        "hinet-search nightly hinet-shop 'days/*.parquet' -o served --json",
        "hinet-search nightly winner --roll-back -o served",
    ),
)
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("rows", required=False)
@option_group(
    "How to fit",
    HELD_OUT,
    LEARNING_RATE,
    FORGET_AFTER,
)
@scored_on
@plugins
@output_options(
    click.option(
        "-o",
        "--to",
        metavar="FOLDER",
        required=True,
        type=click.Path(file_okay=False, path_type=Path),
        help="The folder of all nights, the same every night; its link `current` is served.",
    ),
    click.option("--roll-back", is_flag=True, help="Serve the model of before again; no ROWS."),
    click.option(
        "--registry",
        metavar="NAME",
        help="Register models as NAME in MLflow's registry, with the alias current for the one "
        "that is served.  [env of its place: MLFLOW_TRACKING_URI]",
    ),
    as_json,
)
def command(
    folder: Path,
    rows: str | None,
    to: Path,
    roll_back: bool,  # noqa: FBT001  click passes flags by name
    registry: str | None,
    as_json: bool,  # noqa: FBT001  click passes flags by name
    **given: Any,
) -> None:
    """Take the labelled ROWS of a night (a table, or a folder or glob of tables) into account, for
    a timer such as cron: monitor, refit, judge, and replace the link `current` unless the new model
    is shown to be worse.

    FOLDER is the shipped model, which hinet-search export wrote, and stays as it is. Alarms (!!)
    tell what differs from the rows that the model learned from, and whether nights have
    made it worse than the shipped one. The same rows again change nothing.
    """
    from dataclasses import asdict

    from hinet_search import exported

    if roll_back:
        if rows is not None:
            raise click.UsageError("--roll-back takes no ROWS")
        warnings: list[str] = []
        served = exported.roll_back(folder, to, registry=registry, warn=warnings.append)
        if as_json:
            print_document("nightly", outcome="rolled back", served=served.name, warnings=warnings)
        else:
            echo(f"{to / 'current'} serves {served} again")
            _print_marked(warnings)
        return
    if rows is None:
        raise click.UsageError("ROWS must be given: the table of the night")
    night = exported.nightly(folder, rows, to, registry=registry, say=output().note, **given)
    if as_json:
        print_document("nightly", **asdict(night))
        return
    _print(night, to)
    monitored = ["hinet-search", "monitor", str(to / "current"), rows]
    output().next(shlex.join(monitored))


def _print(night: "Night", to: Path) -> None:
    """Print what became of the model, then the alarms."""
    served = f"{to / 'current'} serves {night.served}"
    if night.outcome == "learned before":
        echo(f"these {night.num_rows:,} rows are learned already; {served}")
        _print_marked(night.warnings)
        return
    echo(f"{night.outcome}: {night.verdict}; {served}, after {night.num_rows:,} rows")
    counted = {"forgotten ids": night.forgotten_ids, "other scenarios": night.other_scenarios}
    for what, counts in counted.items():
        if counts:
            from hinet_search.serving.newer.card import counts_in_words

            echo(f"{what}: {counts_in_words(counts)}")
    _print_marked(night.alarms)
    if not night.alarms:
        echo(mark("ok"), "  no alarm")
    _print_marked(night.warnings)


def _print_marked(problems: Sequence[str]) -> None:
    for problem in problems:
        echo(mark("!!"), f"  {problem}")
