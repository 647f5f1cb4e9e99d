"""CSV files: what `data init` and `check` make of the bytes of a table."""

from pathlib import Path

from hypothesis import strategies as st

from tests.fuzz import shop
from tests.fuzz.commands import typed
from tests.fuzz.inputs import CHARACTERS, as_bytes, byte_edits, edited_bytes

TABLE = shop.csv()
NUMBERS = "NaN inf -inf 1e160 1.7976931348623157e308 9223372036854775808 -1 2 0.5 0x1f 1_000 1,5"
CELLS = (
    *NUMBERS.split(),
    *("2026-01-01", "2026-01-01T00:00:00Z", "2026-01-01 25:61", "12:00", "[1, 2]", "{}"),
    *('"a,b"', '"a\nb"', '"', '""', "'", "=cmd|'/c calc'!A0", "é", "\U0001f600", "\x00"),
    *("\x1b[31m", "\u202e", "a" * 5000, "null", "true", "home", "push", "", " "),
)
WORDS = """
place user click buy split part time date birthday registered_at label income_50k is_new
truth_click position index len count row literal value scenario train valid test yes 1 1.5
"""
NAMES = (
    *WORDS.split(),
    *("rows of it", "text of it", "key of the row: user", "user of the row", "", " ", "a.b"),
    *(
        "a: b",
        "# a",
        "- a",
        "\x1b[31m",
        "\x00",
        "é",
        "a\nb",
        '"',
        "{a}",
        "*a",
        "!a",
        "null",
        "true",
    ),
)


def _changed(column: str, *values: str) -> bytes:
    """The table with other values in a column, again and again."""
    head, *lines = TABLE.rstrip("\n").split("\n")
    at = head.split(",").index(column)
    rows = [line.split(",") for line in lines]
    changed = [[*row[:at], values[i % len(values)], *row[at + 1 :]] for i, row in enumerate(rows)]
    return as_bytes("\n".join([head, *map(",".join, changed), ""]))


def _added(name: str, *values: str) -> bytes:
    """The table with one more column."""
    head, *lines = TABLE.rstrip("\n").split("\n")
    rows = [f"{line},{values[i % len(values)]}" for i, line in enumerate(lines)]
    return as_bytes("\n".join([f"{head},{name}", *rows, ""]))


SEEDS = {
    "the table as it is": as_bytes(TABLE),
    "no bytes": b"",
    "an escape in a scenario": _changed("place", "home", "\x1b[2Jpush"),
    "a name of ours: key": _added("key of the row: user", "1", "2"),
    "scenarios that are no UTF-8": as_bytes(TABLE).replace(b"push", b"pu\xffh"),
    "a quote that does not end": as_bytes(TABLE).replace(b"home", b'"home', 1),
    "bytes of Parquet": b"PAR1" + bytes(64) + b"PAR1",
}


def inputs() -> st.SearchStrategy[bytes]:
    """The table with other bytes, cells or columns."""
    cell = st.sampled_from(CELLS) | st.text(CHARACTERS, max_size=4)
    cells = st.lists(cell, min_size=1, max_size=3)
    column = st.sampled_from(shop.COLUMNS)
    name = st.sampled_from(NAMES) | st.text(CHARACTERS, max_size=4)
    return st.one_of(
        st.builds(lambda name, values: _changed(name, *values), column, cells),
        st.builds(lambda name, values: _added(name, *values), name, cells),
        byte_edits(len(TABLE)).map(lambda edits: edited_bytes(as_bytes(TABLE), edits)),
        st.builds(
            lambda old, new: as_bytes(TABLE.replace(old, new)),
            st.sampled_from([",", "\n", "home", "user", "0", "."]),
            cell,
        ),
        st.binary(max_size=200),
    )


def run(content: bytes, _home: Path) -> None:
    """Guess the columns' roles and encode the guess; check a study that defines the roles."""
    shop.write(rows_csv=content, small_yaml=shop.plain_study())
    describe("rows.csv")


def describe(table: str) -> None:
    """Run `data init` on a table, `data describe` on its guess, and `check` on the study."""
    guessed = typed("data", "init", table, "--name", "guess")
    if guessed.code == 0:
        typed("data", "describe", "studies/guess.yaml", "--output", "out")
    typed("check", "small.yaml", "--output", "out")
