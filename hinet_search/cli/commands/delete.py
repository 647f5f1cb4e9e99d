"""Run: delete a stored study and its weights."""

import shlex
import sys
from typing import Any

import click

from hinet_search.cli.options import (
    SIZE,
    VARIANT,
    Command,
    as_json,
    as_typed,
    launch_options,
    output_options,
    places,
    which_study,
)
from hinet_search.cli.output import echo, output, print_document
from hinet_search.common.amounts import byte_size
from hinet_search.common.errors import ConfigurationError


@click.command(
    name="delete",
    cls=Command,
    codes=("4", "5"),
    examples=(
        "hinet-search delete shop",
        "hinet-search delete studies/shop.yaml --size quick --output runs",
        "hinet-search delete shop-hinet-whole --yes --json",
    ),
)
@click.argument("study")
@which_study(SIZE, VARIANT)
@places
@output_options(click.option("--yes", is_flag=True, help="Do not ask."), as_json)
def command(
    study: str,
    yes: bool,  # noqa: FBT001  click passes flags by name
    as_json: bool,  # noqa: FBT001  click passes flags by name
    **given: Any,
) -> None:
    """Delete STUDY from the database, with its weights, checkpoints and copy for Optuna.

    Its report stays, and so do encoded data, exports, and the count of uses of its test split.
    """
    from hinet_search.search.stored_study import delete_study, stored_files

    options = launch_options(given)
    stored = stored_files(study, options)
    weights = "no weights"
    if stored.folder is not None:
        weights = f"{byte_size(stored.num_bytes)} in {stored.folder}"
    if not yes:
        _ask(f"delete study '{stored.row.name}' ({stored.state}) and {weights}?")
    delete_study(stored)
    if as_json:
        print_document(
            "delete", study=stored.row.name, folder=stored.folder, bytes=stored.num_bytes
        )
        return
    echo(f"deleted study '{stored.row.name}' and {weights}")
    where = {"storage": given["storage"], "output": given["output"]}
    output().next(shlex.join(["hinet-search", "status", *as_typed(where, options)]))


def _ask(question: str) -> None:
    """Ask on the terminal; ConfigurationError without one, or if the answer is no."""
    if not sys.stdin.isatty():
        raise ConfigurationError(
            "what is deleted must be confirmed, but there is no terminal to ask on",
            remedy="add --yes, as in hinet-search delete STUDY --yes",
        )
    if not click.confirm(question, err=True):
        raise ConfigurationError(
            "nothing was deleted, as the answer was no",
            remedy="`hinet-search status` lists what is stored",
        )
