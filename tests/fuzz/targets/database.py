"""Database rows: what `status` and `report` make of a database that something else has changed."""

import shutil
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from hypothesis import strategies as st

from hinet_search.storage.tables import metadata
from tests.fuzz.commands import typed
from tests.fuzz.inputs import byte_edits, edited_bytes

COLUMNS = {
    **{table.name: tuple(table.columns.keys()) for table in metadata.sorted_tables},
    "studies": ("study_name", "study_id"),
    "trials": ("number", "study_id", "state", "datetime_start", "datetime_complete", "trial_id"),
    "trial_params": ("param_name", "param_value", "distribution_json", "trial_id"),
    "trial_values": ("objective", "value", "value_type"),
    "trial_user_attributes": ("key", "value_json"),
}
WORDS = """
x null [] {} [1] NaN "x" { 1e999 2026-13-45T99:00:00 0000-00-00 done running COMPLETE RUNNING
WAITING FAIL gauc small other [["a",1]] {"trials":1e999} auc(home,click)
"""
VALUES: tuple[object, ...] = (
    *WORDS.split(),
    *(None, 0, 1, -1, 2**63 - 1, -(2**63), 1e308, float("inf"), b"\xff\x00", b"", ""),
    *("\x1b[31mred", "a\x00b", "[" * 20_000, "9" * 5000),
)
WHERE = " where study='small'"
SEEDS: dict[str, tuple[tuple[object, ...], ...]] = {
    "the database as it is": (),
    "an escape in a verdict": (("update hs_study set verdict='\x1b[31m' where name='small'", ()),),
    "a cost 20,000 deep": (("update hs_trial set cost_json=?" + WHERE, ("[" * 20_000,)),),
    "a layout of the future": (("update hs_schema set version=99", ()),),
    "another file": (("bytes", ((0, b"not a database at all"),)),),
}


def inputs() -> st.SearchStrategy[tuple[tuple[object, ...], ...]]:
    """Rows with other values, rows that are gone, and other bytes of the file."""
    places = [(table, column) for table, columns in COLUMNS.items() for column in columns]
    update = st.builds(
        lambda place, number, value: (
            f"update or ignore {place[0]} set {place[1]}=? where rowid % 3 = {number}",
            (value,),
        ),
        st.sampled_from(places),
        st.integers(0, 2),
        st.sampled_from(VALUES),
    )
    gone = st.sampled_from(sorted(COLUMNS)).map(
        lambda table: (f"delete from {table} where rowid % 2 = 1", ())
    )
    damage = byte_edits(140_000).map(lambda edits: ("bytes", tuple(edits)))
    return st.lists(st.one_of(update, update, gone, damage), min_size=1, max_size=3).map(tuple)


def make(path: Path) -> None:
    """Write a database of the studies `small` and `other`."""
    from tests.storage.small_study import small_study

    for name in ("small", "other"):
        small_study(path, name).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma journal_mode=delete")
    path.with_name(path.name + ".lock").unlink(missing_ok=True)


def run(changes: tuple[tuple[object, ...], ...], home: Path) -> None:
    """Change a database of two studies, which is made once, and read it; it stays as it is."""
    database = home / "studies.db"
    if not database.exists():
        make(database)
    path = Path("h.db")
    shutil.copyfile(database, path)
    change(path, changes)
    before = path.read_bytes()
    beside = sorted(Path().glob("h.db*"))
    storage = ("--storage", "h.db")
    status = typed("status", *storage)
    typed("report", "small", *storage, "--to", "small.html")
    other = typed("report", "other", *storage, "--to", "other.html")
    assert path.read_bytes() == before, "a reader changed the database"
    assert sorted(Path().glob("h.db*")) == beside
    # Of a page that is damaged no more than that is known.
    if other.code == 0 and "bytes" not in dict(changes):
        assert "other" in status.out, "a damaged row hides a whole study from status"


def change(path: Path, changes: tuple[tuple[object, ...], ...]) -> None:
    """Write what no program of this package would."""
    for what, values in changes:
        if what == "bytes":
            path.write_bytes(edited_bytes(path.read_bytes(), values))  # type: ignore[arg-type]
            continue
        with (
            closing(sqlite3.connect(path)) as connection,
            suppress(sqlite3.Error, UnicodeDecodeError),
        ):  # damaged before
            connection.execute("pragma foreign_keys=off")
            connection.execute("pragma ignore_check_constraints=on")
            connection.execute(str(what), values)
            connection.commit()
