"""Look at the data of a study."""

import shlex
from typing import Any

import click

from hinet_search.cli._options import launch_options, places


@click.group(name="data")
def command() -> None:
    """Look at the data of a study."""


@command.command(name="describe")
@click.argument("study")
@places
def describe_command(study: str, **given: Any) -> None:
    """Print rows, label rates, unique ids, overlaps, missing values and leak suspects of STUDY's data.

    \b
    hinet-search data describe quickstart
    """
    from hinet_search.data.describe import describe, render
    from hinet_search.data.of_study import dataset_of
    from hinet_search.study import load_study

    options = launch_options(given)
    found = load_study(study)
    dataset = dataset_of(found, options.folder / "cache", lambda text: click.echo(text, err=True))
    click.echo(render(describe(found.spec.data, dataset, found.folder)))
    click.echo(f"Next: hinet-search check {shlex.quote(study)}", err=True)
