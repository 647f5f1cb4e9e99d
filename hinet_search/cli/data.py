"""Data: look at a table or at the data of a study."""

import shlex
from typing import Any

import click

from hinet_search.cli._document import print_document
from hinet_search.cli._layout import Command
from hinet_search.cli._options import launch_options, places, study_argument
from hinet_search.cli._voice import as_json, speaking, voice


@click.group(name="data")
def command() -> None:
    """Look at a table, or at the data of a study."""


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
