"""Run: check a study: every problem at once, and what it will cost."""

from typing import Any

import click

from hinet_search.cli._layout import Command
from hinet_search.cli._options import run_options, study_argument
from hinet_search.cli._plan import show_plan
from hinet_search.cli._speaking import as_json, speaking, verbose


@click.command(
    name="check",
    cls=Command,
    codes=("3", "4", "5"),
    examples=(
        "hinet-search check quickstart",
        "hinet-search check studies/shop.yaml --slots 4 --set passes=2",
        "hinet-search check studies/shop.yaml --json",
    ),
)
@study_argument
@run_options
@as_json
@verbose
@speaking
def command(study: str, as_json: bool, **given: Any) -> None:  # noqa: FBT001  click passes flags by name
    """Check STUDY and print its plan; nothing is run. Data are encoded, so that a launch starts at once."""
    show_plan(study, given, as_json=as_json)
