"""Unlike files: refuse files of one table that differ in their columns."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from hinet_search.common.errors import DataError
from hinet_search.data.table_files import TableFiles, partition_of

MAX_PROBLEMS = 20


def refuse_unlike_files(
    table: TableFiles, columns: Sequence[dict[str, str]], *, in_order: bool = False
) -> None:
    """DataError when the files, which have these columns, differ in names or types.

    Partitions are columns too. `in_order` is for formats that have values by place.
    """
    first, *others = [
        {**dict.fromkeys(partition_of(table, file), "in the name of a folder"), **of_file}
        for file, of_file in zip(table.files, columns, strict=True)
    ]
    problems: list[str] = []
    for file, found in zip(table.files[1:], others, strict=True):
        problems += _differences(file, found, table.name_of(table.files[0]), first)
        common = [name for name in found if name in first]
        if in_order and common != [name for name in first if name in found]:
            where = f"{file}: must have the columns of {table.name_of(table.files[0])}"
            problems.append(f"{where} in the same order")
    if problems:
        raise DataError(
            *problems[:MAX_PROBLEMS],
            remedy="write the files with the same columns and types, or name some of them",
        )


def _differences(
    file: Path, columns: dict[str, str], first: str, wanted: dict[str, str]
) -> Iterator[str]:
    where = f"{file}: must have the columns of {first}"
    yield from (f"{where}, has no '{name}'" for name in wanted if name not in columns)
    yield from (f"{where}, has '{name}' too" for name in columns if name not in wanted)
    for name, dtype in columns.items():
        if name in wanted and dtype != wanted[name]:
            yield f"{where}, but '{name}' is {dtype} in place of {wanted[name]}"
