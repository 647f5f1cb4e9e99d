"""URLs: what `check` makes of a table that a stranger names. Nothing is written but the cache, and no file of ours changes."""

import json
from pathlib import Path

from hypothesis import strategies as st

from tests.fuzz import shop
from tests.fuzz.commands import listing, outcome, stand_still, temporary_files_here, typed
from tests.fuzz.faults import Fault
from tests.fuzz.inputs import CHARACTERS

TABLES = (
    "hdfs://h/x.parquet",
    "HDFS://h/x.parquet",
    "hdfs:///x",
    "arrow_hdfs://h/x",
    "http://[::1]:1/x.parquet",
    "http://[::1/x",
    "http://[1:2:3]/x",
    "http://ann:s3cret@127.0.0.1:1/x.csv",
    "http://ann:s3cret@127.0.0.1:1/x\ud800.csv",
    "file:///etc/passwd",
    "file://rows.csv",
    "local://rows.csv",
    "simplecache::file://rows.csv",
    "reference://x/::file://rows.csv",
    "zip://rows.csv::file://rows.zip",
    "filecache://made::memory://x",
    "memory://bucket/x.parquet",
    "memory://../../made.csv",
    "python://os.system",
    "github://x:y@z/a.csv",
    "sftp://127.0.0.1:1/x.csv",
    "data:text/csv,a",
    "libarchive://x",
    "sqlite:///shop.db",
    "postgresql://ann:s3cret@127.0.0.1:1/shop",
    "s3://bucket/x.parquet",
    "rows.csv::rows.csv",
)

SEEDS = {f"table {path}": path for path in TABLES}


def inputs() -> st.SearchStrategy[str]:
    """The URL of a table with a few changes."""
    words = st.sampled_from([word for path in TABLES for word in path.split("/")])
    edits = st.tuples(
        st.integers(0, 100), st.integers(0, 20), words | st.text(CHARACTERS, max_size=4)
    )
    # No word before the path, so that no name is looked up on the network.
    return st.builds(_changed_after_place, st.sampled_from(TABLES), st.lists(edits))


def _changed(text: str, edits: list[tuple[int, int, str]]) -> str:
    for place, length, new in edits:
        at = place % (len(text) + 1)
        text = text[:at] + new + text[at + length :]
    return text


def _changed_after_place(text: str, edits: list[tuple[int, int, str]]) -> str:
    head, mark, rest = text.partition("://")
    place, slash, path = rest.partition("/")
    return f"{head}{mark}{place}{slash}{_changed(path, edits)}"


def begin(home: Path) -> None:
    """Nothing is shared."""
    stand_still()


def run(path: str, _: None) -> str:
    """Check a study of that table."""
    source = json.dumps({"kind": "table", "path": path})
    shop.write(
        small_yaml=shop.plain_study().replace("{kind: table, path: rows.csv}", source),
        rows_csv=shop.csv(),
        libhdfs_so=b"no library",
    )
    before = listing(Path())
    with temporary_files_here():
        said = typed("check", "small.yaml", "--output", "out")
    after = listing(Path())
    changed = sorted(
        name
        for name in {*before, *after}
        if before.get(name) != after.get(name) and name.split("/")[0] not in ("out", ".temporary")
    )
    if changed:
        raise Fault("written", f"table: {', '.join(changed[:4])}", f"{changed}\n{said}")
    if "s3cret" in said.out + said.err:
        raise Fault("password", "table: printed", f"{said}")
    return outcome(said)
