"""Data: look at a table or at the data of a study."""

import shlex
from pathlib import Path
from typing import Any

import click

from hinet_search.cli._complete import complete_table
from hinet_search.cli._document import print_document
from hinet_search.cli._layout import Command, option
from hinet_search.cli._options import launch_options, places, study_argument
from hinet_search.cli._speaking import as_json, speaking
from hinet_search.cli._voice import mark, voice

_FILES = "What is written"


@click.group(name="data")
def command() -> None:
    """Look at a table, or at the data of a study."""


@command.command(
    name="init",
    cls=Command,
    codes=("3", "4"),
    examples=(
        "hinet-search data init rows.parquet",
        "hinet-search data init exports/2026-05.csv --name may",
        "hinet-search data init rows.parquet --force",
    ),
)
@click.argument("table", shell_complete=complete_table)
@option(_FILES, "--name", metavar="NAME", help="Name of the study.  [default: that of the table]")
@option(_FILES, "--force", is_flag=True, help="Write over files that are there.")
@speaking
def init_command(table: str, name: str | None, force: bool) -> None:  # noqa: FBT001  click passes flags by name
    """Look at TABLE (Parquet or CSV) and write data/NAME.yaml and studies/NAME.yaml, with the reasons as comments.

    What looks like a label, scenario, user, item, time or outcome is guessed from names, types and values. Guesses to
    be looked at are marked `# check:`; `hinet-search check` lists them.
    """
    from hinet_search.data.sketch import write_sketch

    sketch = write_sketch(Path(table), name, force=force)
    for path in sketch.files:
        click.echo(f"wrote {path}")
    for doubt in sketch.doubts:
        voice().note(f"{mark('!!')}  {doubt}")
    voice().next(f"hinet-search check {shlex.quote(str(sketch.files[-1]))}")


@command.command(
    name="describe",
    cls=Command,
    codes=("3", "4"),
    examples=(
        "hinet-search data describe quickstart",
        "hinet-search data describe studies/shop.yaml",
        "hinet-search data describe studies/shop.yaml --json",
    ),
)
@study_argument
@places
@as_json
@speaking
def describe_command(study: str, as_json: bool, **given: Any) -> None:  # noqa: FBT001  click passes flags by name
    """Print rows, label rates, unique ids, overlaps, missing values and leak suspects of STUDY's data."""
    from hinet_search.data.describe import describe, render
    from hinet_search.data.of_study import dataset_of

    options = launch_options(given)
    found = options.load(study)
    dataset = dataset_of(found, options.cache, voice().note)
    description = describe(found.spec.data, dataset, found.folder)
    if as_json:
        print_document("data", study=found.name, fingerprint=dataset.fingerprint, description=description)
        return
    click.echo(render(description))
    voice().next(f"hinet-search check {shlex.quote(study)}")
