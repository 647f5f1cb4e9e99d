"""Use: make the model of a night of the one before and its delta."""

import shlex
from pathlib import Path

import click

from hinet_search.cli.help import Command
from hinet_search.cli.options import NEW_FOLDER, as_json, output_options
from hinet_search.cli.output import echo, output, print_document
from hinet_search.common.amounts import byte_size
from hinet_search.common.files import num_bytes


@click.command(
    name="delta",
    cls=Command,
    codes=("3", "4"),
    examples=(
        "hinet-search delta served/models/0001 served/models/0002.delta -o next",
        "hinet-search delta monday tuesday.delta --to tuesday --quiet",
        "hinet-search delta models/0001 0002.delta -o models/0002 --json",
    ),
)
@click.argument("folder", type=click.Path(path_type=Path))
@click.argument("delta", metavar="DELTA", type=click.Path(path_type=Path))
@output_options(NEW_FOLDER, as_json)
def command(
    folder: Path,
    delta: Path,
    to: Path,
    as_json: bool,  # noqa: FBT001  click passes flags by name
) -> None:
    """Make the model of a night of the one in FOLDER that was served before, and of the file DELTA
    that hinet-search nightly wrote beside the model of that night.

    The new folder is that of the night, bit for bit, without graphs; else nothing is written.
    """
    from hinet_search.exported import apply_delta
    from hinet_search.serving.sealed import manifest_hash

    made = apply_delta(folder, delta, to)
    if as_json:
        print_document("delta", folder=str(made), manifest=manifest_hash(made))
        return
    size = f"{byte_size(delta.stat().st_size)} of {byte_size(num_bytes(made))}"
    echo(f"wrote {made}/: the model of the night, bit for bit; the delta has {size}")
    output().next(f"hinet-search serve {shlex.quote(str(made))}")
