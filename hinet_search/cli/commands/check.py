"""Run: check a study: list every problem and estimate the cost."""

from functools import partial
from typing import Any

import click

from hinet_search.cli.options import (
    PLUGIN,
    RUN,
    SETTINGS,
    SIZE,
    VARIANT,
    Command,
    as_json,
    each_variant,
    output_options,
    places,
    study_argument,
    study_options,
    verbose,
)


@click.command(
    name="check",
    cls=Command,
    codes=("3", "4", "5"),
    examples=(
        "hinet-search check quickstart",
        "hinet-search check studies/shop.yaml --slots 4 --set epochs=2",
        "hinet-search check studies/shop.yaml --json",
    ),
)
@study_argument
@study_options(*RUN, PLUGIN, SIZE, VARIANT, SETTINGS)
@places
@output_options(as_json, verbose)
def command(
    study: str,
    as_json: bool,  # noqa: FBT001  click passes flags by name
    **given: Any,
) -> None:
    """Check STUDY and print its plan; nothing is run.
    Data are encoded, so that a launch starts at once.
    """
    from hinet_search.cli.plan_text import show_plan

    each_variant(study, given, partial(show_plan, study, as_json=as_json))
