"""Use: train what a study chose, on all rows or on newer ones, and write it as a folder."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hinet_search.cli.options import (
    GRAPH,
    NEW_FOLDER,
    ON_SLOTS,
    PLUGIN,
    SEEDS,
    SETTINGS,
    SIZE,
    VARIANT,
    Command,
    as_json_lines,
    launch_options,
    output_options,
    places,
    study_options,
    words_typed,
)
from hinet_search.cli.output import echo, output
from hinet_search.common.terminal import table_text

if TYPE_CHECKING:
    from hinet_search.api import TrainedChoice
    from hinet_search.results.study_record import StudyRecord


@click.command(
    name="train",
    cls=Command,
    codes=("3", "4", "5", "6", "129, 130, 143"),
    examples=(
        "hinet-search train shop -o winner",
        "hinet-search train studies/shop.yaml --set sample=5% --format onnx -o winner",
        "hinet-search train shop --rows june.parquet -o june",
    ),
)
@click.argument("target", metavar="STUDY[/NAME]")
@study_options(SEEDS, *ON_SLOTS, SIZE, VARIANT, SETTINGS, PLUGIN)
@places
@output_options(
    click.option("--rows", metavar="TABLE", help="Train on this table instead of the study's own."),
    NEW_FOLDER,
    GRAPH,
    as_json_lines,
)
def command(
    target: str,
    to: Path,
    rows: str | None,
    format_: str | None,
    as_json: bool,  # noqa: FBT001  click passes flags by name
    **given: Any,
) -> None:
    """Train what a study chose, and write it as a folder.

    A study on a sample (`sample: 5%`) is trained on all rows, any study on the rows of --rows: a
    table with the columns of its own, split as the study says. What it recommends to ship is
    trained with the settings that it found, with one seed unless --finalist-seeds says more; NAME
    is another arm, a student (distilled_ARM) or `ensemble`. It is the study STUDY-whole or
    STUDY-on-TABLE, with a report. Ctrl-C stops safely; the same command resumes. Repeat --set,
    --size and --variant of the launch.
    """
    from hinet_search.api import split_target, train
    from hinet_search.cli.progress import JsonLines, TolerantWatcher, watching
    from hinet_search.common.errors import Interrupted

    options = launch_options(given)
    study, arm = split_target(target)
    typed = shlex.join(words_typed(options))
    try:
        with TolerantWatcher(watching(output(), as_json=as_json)) as watcher:
            trained = train(
                study,
                to,
                rows=rows,
                arm=arm,
                onnx=format_ is not None,
                watcher=watcher,
                command=typed,
                **vars(options),
            )
    except Interrupted as error:
        error.remedy = f"resume: {typed}"
        raise
    values = [
        ("searched", *_of(trained.searched, trained.export.arm)),
        ("trained", *_of(trained.trained, trained.export.arm)),
    ]
    if as_json:
        keys = ("rows", "valid", "test")
        found = {name: dict(zip(keys, row, strict=True)) for name, *row in values}
        JsonLines.line("trained", study=trained.trained.name, folder=str(to), **found)
        return
    _show(trained, values, rows)
    output().next(f"hinet-search predict {shlex.quote(str(to))} rows.parquet -o scores.parquet")


def _of(record: "StudyRecord", name: str) -> tuple[int, float, float | None]:
    """Return the rows of a study, and an arm's objective on validation and metric on test."""
    from hinet_search.results.decision import decision
    from hinet_search.results.verdict import verdict

    offers = {offer.name: offer for offer in decision(record, verdict(record)).offers}
    return sum(record.data.rows), offers[name].valid, offers[name].test


def _show(
    trained: "TrainedChoice", values: list[tuple[str, int, float, float | None]], rows: str | None
) -> None:
    """Print what the study had found beside what the new training gave, and what was written."""
    from hinet_search.report.numbers import metric

    is_sampled = trained.searched.data.sample is not None
    titles = {
        "searched": "trained on the sample" if is_sampled else "trained by the study",
        "trained": "trained on all rows" if rows is None else f"trained on {Path(rows).name}",
    }
    lines = [
        (titles[name], f"{count:,}", metric(valid), metric(test))
        for name, count, valid, test in values
    ]
    header = ("", "rows", f"{trained.trained.objective}, validation", "test")
    echo(table_text(lines, header=header, right={1, 2, 3}))
    if rows is not None:
        output().note("each line is measured on its own rows, so their values do not compare")
    written = trained.export
    echo(
        f"wrote {written.folder}/: {written.study}/{written.arm}, "
        f"{written.checked_rows:,} test rows score the same as in training"
    )
