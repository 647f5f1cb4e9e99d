"""Data: convert a published data set, generate a data definition, or describe a study's data."""

import shlex
from pathlib import Path
from typing import Any

import click
from cloup import option_group

from hinet_search.cli.options import (
    Command,
    as_json,
    launch_options,
    output_options,
    places,
    study_argument,
)
from hinet_search.cli.output import echo, mark, output, output_width, print_document

ROLES = ("scenario", "user", "item", "time", "split", "weight")  # options of columns


@click.group(name="data")
def command() -> None:
    """Convert a published data set, generate a data definition, or describe the data of a study."""


@command.command(
    name="get",
    cls=Command,
    codes=("3", "4"),
    examples=(
        "hinet-search data get kuairand-pure --from KuaiRand-Pure -o public",
        "hinet-search data get movielens-1m --from ml-1m -o public",
        "hinet-search data get movielens-1m --from ml-1m -o public --force",
    ),
)
@click.argument("name")
@option_group(
    "What is read and written",
    click.option(
        "--from",
        "folder",
        metavar="FOLDER",
        required=True,
        help="Folder of the unpacked files, as they are published.",
    ),
    click.option(
        "-o", "--output", "target", metavar="FOLDER", required=True, help="Folder to write into."
    ),
    click.option("--force", is_flag=True, help="Overwrite an existing study and its tables."),
)
@output_options()
def get_command(
    name: str,
    folder: str,
    target: str,
    force: bool,  # noqa: FBT001  click passes flags by name
) -> None:
    """Convert the published files of data set NAME into tables, a data definition and a study.

    Nothing is downloaded: licences forbid passing the files on. If files are missing, the error
    says where they are published. An unknown NAME lists the known data sets.
    """
    from hinet_search.data.get import get

    converted = get(name, Path(folder), Path(target), output().note, force=force)
    for path, num_rows in converted.tables.items():
        echo(f"wrote {path}: {num_rows:,} rows")
    echo(f"wrote {converted.definition}")
    echo(f"wrote {converted.study}")
    output().next(f"hinet-search check {shlex.quote(str(converted.study))}")


@command.command(
    name="init",
    cls=Command,
    codes=("3", "4"),
    examples=(
        "hinet-search data init rows.parquet",
        "hinet-search data init ratings.csv --task 'liked=rating>3' --scenario country",
        "hinet-search data init s3://shop/shown --user customer --force",
    ),
)
@click.argument("table")
@option_group(
    "What is written",
    click.option("--name", metavar="NAME", help="Name of the study.  [default: that of the table]"),
    click.option(
        "--task",
        "tasks",
        metavar="COLUMN",
        multiple=True,
        help="Column of a task, once for each: 0 and 1, amounts, or a threshold such as "
        "'liked=rating>3'.  [default: guessed]",
    ),
    click.option("--force", is_flag=True, help="Overwrite existing files."),
)
@option_group(
    "Columns, by default guessed",
    click.option(
        "--scenario", metavar="COLUMN", help="Column of the scenario; none: one for all rows."
    ),
    click.option("--user", metavar="COLUMN", help="Column of the user."),
    click.option("--item", metavar="COLUMN", help="Column of the item."),
    click.option("--time", metavar="COLUMN", help="Column of the time of a row."),
    click.option(
        "--split", metavar="COLUMN", help="Column that says which rows are train, valid and test."
    ),
    click.option(
        "--weight",
        metavar="COLUMN",
        help="Column of the weights of rows in training.  [default: none]",
    ),
)
@output_options()
def init_command(**given: Any) -> None:
    """Read TABLE (a file, a folder or a glob, also at a URL of a store) and write
    data/NAME.yaml and studies/NAME.yaml, with the reasons as comments.

    A table is Parquet, CSV, TSV, JSON lines or Arrow, a text also compressed by gzip or zstd.

    Label, scenario, user, item, time and outcomes are guessed from names, types and values. A
    column of amounts, such as seconds or prices, is a task if --task names it. Guesses to review
    are marked `# check:`; `hinet-search check` lists them.
    """
    from hinet_search.data.guess.write_definition import write_draft

    roles = {role: given[role] for role in ROLES if given[role] is not None}
    draft = write_draft(
        given["table"],
        given["name"],
        force=given["force"],
        tasks=given["tasks"],
        roles=roles,
        say=output().note,
    )
    definition, study = draft.files
    echo(f"wrote {definition}")
    echo(f"wrote {study}")
    for doubt in draft.guesses_to_check:
        output().note(mark("!!"), f"  {doubt}")
    if draft.guesses_to_check:
        output().note("    where a guess is right, remove its comment `# check: ...`")
    output().next(f"hinet-search check {shlex.quote(str(study))}")


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
@output_options(as_json)
def describe_command(
    study: str,
    as_json: bool,  # noqa: FBT001  click passes flags by name
    **given: Any,
) -> None:
    """Print rows, label rates, distinct and missing values and leak suspects of STUDY's data."""
    from hinet_search.data.inspect.describe import describe
    from hinet_search.data.inspect.text import render
    from hinet_search.data.study_data import dataset_of

    options = launch_options(given)
    loaded = options.load(study)
    dataset = dataset_of(loaded, options.cache, output().note)
    description = describe(loaded.spec.data, dataset, loaded.folder)
    if as_json:
        print_document(
            "data", study=loaded.name, fingerprint=dataset.fingerprint, description=description
        )
        return
    echo(render(description, output_width(), loaded.placed))
    output().next(f"hinet-search check {shlex.quote(study)}")
