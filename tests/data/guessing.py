"""Guesses of small tables, and the definitions that `data init` writes of them."""

from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from hinet_search.data.guess.column_facts import ColumnFacts, facts_of
from hinet_search.data.guess.column_roles import guess_roles
from hinet_search.data.guess.roles import ColumnRole, ColumnRoles
from hinet_search.data.guess.write_definition import write_draft
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.yaml_file import read

N = 600


def facts(**columns: object) -> tuple[ColumnFacts, ...]:
    return facts_of(pl.DataFrame(columns).lazy())


def guessed(**columns: object) -> ColumnRoles:
    """Guesses of a table that has a label and a scenario beside the given columns."""
    fixed = {"is_click": [0, 1] * (N // 2), "scene": ["a", "b", "c"] * (N // 3)}
    return guess_roles(facts(**{**fixed, **columns}))


def names(guesses: tuple[ColumnRole, ...]) -> list[str]:
    return [role.column.name for role in guesses]


def drafted(
    frame: pl.DataFrame, *tasks: str, folder: Path | None = None, **roles: str
) -> tuple[DataDefinition, str]:
    """The definition that is written of a table, and its text; by default in no folder to stay."""
    if folder is None:
        with TemporaryDirectory() as name:
            return drafted(frame, *tasks, folder=Path(name), **roles)
    with chdir(folder):
        frame.write_parquet("rows.parquet")
        write_draft("rows.parquet", None, force=True, tasks=tasks, roles=roles)
        path = Path("data/rows.yaml")
        return read(path).parse(DataDefinition), path.read_text(encoding="utf-8")
