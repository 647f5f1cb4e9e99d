"""Use: write an arm of a finished study as a folder that scores new rows."""

import shlex
from pathlib import Path
from typing import Any

import click

from hinet_search.cli._complete import complete_target
from hinet_search.cli._document import print_document
from hinet_search.cli._layout import Command, option
from hinet_search.cli._options import launch_options, model_options, setting_options
from hinet_search.cli._speaking import as_json, speaking
from hinet_search.cli._voice import voice
from hinet_search.cli._words import file_size


@click.command(
    name="export",
    cls=Command,
    codes=("3", "4", "5"),
    examples=(
        "hinet-search export quickstart -o winner",
        "hinet-search export shop/hinet -o hinet-shop --seeds all",
        "hinet-search export studies/shop.yaml/ple --output runs -o ple-shop --json",
    ),
)
@click.argument("target", metavar="STUDY[/ARM]", shell_complete=complete_target)
@option(
    "Output",
    "-o",
    "--to",
    metavar="FOLDER",
    required=True,
    type=click.Path(path_type=Path),
    help="A new or an empty folder.",
)
@option(
    "Output",
    "--seeds",
    type=click.Choice(["best", "all"]),
    default="best",
    show_default=True,
    help="The seed that is best on validation, or all, whose probabilities are averaged.",
)
@setting_options
@model_options
@as_json
@speaking
def command(target: str, to: Path, seeds: Any, as_json: bool, **given: Any) -> None:  # noqa: FBT001  click passes flags
    """Write the chosen finalist of an arm as a folder of its own, once test rows score from there as in training.

    Without ARM it is the arm that the verdict speaks for. --set and --size are those of the launch, where it had some.
    """
    from dataclasses import asdict

    from hinet_search.face import export, split_target

    options = launch_options(given)
    study, arm = split_target(target)
    written = export(study, to, arm, seeds, voice().note, **vars(options))
    if as_json:
        print_document("export", **asdict(written))
        return
    shown = [f"{name} {file_size(written.files[name])}" for name in written.main_files]
    click.echo(f"wrote {to}/: {', '.join(shown)}, {len(written.files) - len(shown)} more")
    largest = f"{written.max_difference:.7f}".rstrip("0").rstrip(".")
    same = f"{written.checked_rows:,} test rows score the same as in training (max difference {largest})"
    click.echo(f"checked: {same}")
    voice().next(f"hinet-search predict {shlex.quote(str(to))} rows.parquet -o scores.parquet")
