"""Finished tables: which tables an interrupted conversion has written, and from which files.

The notes lie beside the tables until the study is written.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from hinet_search.common.files import replacing

Stamp = list[int]  # of a file: bytes, and when it was written last


@dataclass(frozen=True)
class FinishedTables:
    """Notes in `file`, beside the tables of `made_of`: every table's stamp, by its path there."""

    file: Path
    made_of: str
    stamps: Mapping[str, Stamp]

    def has(self, table: str) -> bool:
        """Return whether the table is the one that was written from these files."""
        file = self.file.parent / table
        return file.is_file() and self.stamps.get(table) == _stamp(file)

    def with_table(self, table: str) -> "FinishedTables":
        """Note a table that was just written."""
        stamps = {**self.stamps, table: _stamp(self.file.parent / table)}
        text = json.dumps({"made_of": self.made_of, "tables": stamps})
        with replacing(self.file, len(text)) as part:
            part.write_text(text, encoding="utf-8")
        return FinishedTables(self.file, self.made_of, stamps)


def read_finished(file: Path, name: str, sources: Iterable[Path]) -> FinishedTables:
    """The notes on tables of a data set; none if other files or another version made them."""
    files = [
        (str(path.resolve()), path.stat().st_size, path.stat().st_ctime_ns) for path in sources
    ]
    made_of = json.dumps([version("hinet-search"), name, files])
    try:
        notes = json.loads(file.read_text(encoding="utf-8"))
        stamps = notes["tables"] if notes["made_of"] == made_of else {}
    except (OSError, ValueError, KeyError, TypeError):  # none, or they were changed: start again
        stamps = {}
    return FinishedTables(file, made_of, stamps)


def _stamp(file: Path) -> Stamp:
    status = file.stat()
    return [status.st_size, status.st_mtime_ns]
