"""Use: write an arm of a finished study as a folder that scores new rows."""

import shlex
from pathlib import Path
from typing import Any

import click

from hinet_search.cli.options import (
    GRAPH,
    NEW_FOLDER,
    PLUGIN,
    SETTINGS,
    SIZE,
    VARIANT,
    Command,
    as_json,
    launch_options,
    output_options,
    places,
    which_study,
)
from hinet_search.cli.output import echo, output, print_document
from hinet_search.common.amounts import byte_size


@click.command(
    name="export",
    cls=Command,
    codes=("3", "4", "5"),
    examples=(
        "hinet-search export quickstart -o winner",
        "hinet-search export shop --at 5ms --seeds all -o fast-shop",
        "hinet-search export studies/shop.yaml/mmoe --output runs --format onnx -o graphs --json",
    ),
)
@click.argument("target", metavar="STUDY[/NAME]")
@which_study(SIZE, VARIANT, SETTINGS, PLUGIN)
@places
@output_options(
    NEW_FOLDER,
    click.option(
        "--seeds",
        type=click.Choice(["best", "all"]),
        default="best",
        show_default=True,
        help="The seed that is best on validation, or all, whose probabilities are averaged.",
    ),
    click.option(
        "--at",
        metavar="LIMIT",
        help="The best finalist on validation within a limit: the time to score 100 rows (5ms), or "
        "NAME=VALUE of another cost or metric (flops_per_row=2000000, worst_auc=0.7).",
    ),
    click.option(
        "--calibrated/--raw",
        default=True,
        show_default=True,
        help="Calibrate the probabilities where validation has shown a gain, or leave them.",
    ),
    GRAPH,
    as_json,
)
def command(  # noqa: PLR0913, PLR0917  click passes every option by name
    target: str,
    to: Path,
    seeds: Any,
    at: str | None,
    calibrated: bool,  # noqa: FBT001
    format_: str | None,
    as_json: bool,  # noqa: FBT001  click passes flags by name
    **given: Any,
) -> None:
    """Write a finished model as a folder, if test rows score from it as in training.

    NAME is an arm, a student (distilled_ARM) or `ensemble`. Without it, export what the study
    recommends to ship. Repeat --set, --size and --variant of the launch.
    """
    from dataclasses import asdict

    from hinet_search.api import export, split_target

    options = launch_options(given)
    study, arm = split_target(target)
    chosen = {"arm": arm, "seeds": seeds, "calibrated": calibrated, "at": at}
    chosen["onnx"] = format_ is not None
    written = export(study, to, **chosen, say=output().note, **vars(options))
    if as_json:
        print_document("export", **asdict(written))
        return
    sizes = [f"{name} {byte_size(size)}" for name, size in written.main_files.items()]
    more = len(written.files) - len(written.main_files)
    if len(written.members) > 1:
        size = byte_size(sum(written.weight_files.values()))
        sizes.append(f"weights of {len(written.members)} members {size}")
        more -= len(written.members)
    echo(f"wrote {to}/: {', '.join(sizes)}, {more} more")
    largest = f"{written.max_difference:.7f}".rstrip("0").rstrip(".")
    echo(
        f"checked: {written.checked_rows:,} test rows score the same as in training "
        f"(max difference {largest})"
    )
    if written.graph is not None:
        noun = "prediction" if written.graph.amounts else "probability"
        echo(
            "model.onnx scores the same rows as predict does "
            f"(max difference of a {noun} {written.graph.difference:.1g})"
        )
    output().next(f"hinet-search predict {shlex.quote(str(to))} rows.parquet -o scores.parquet")
