"""Draft of any table: `data init` writes what `check` accepts, or refuses with a reason."""

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hinet_search.common.errors import DataError, HinetSearchError
from hinet_search.data.checks import named_columns
from hinet_search.data.guess.write_definition import write_draft
from hinet_search.data.objects import flattened
from hinet_search.data.prepare import prepare
from hinet_search.study.data_definition import EVERY_ROW, DataDefinition
from hinet_search.study.yaml_file import read
from tests.data.made_tables import made_table
from tests.data.table_makers import cycle

ROWS = 240
SIGNS = (
    "ab_19 .:#'\"{}[],&*!|>%@`-?~<=\\/^$"
    "\x00\x07\x1b\n\r\t\x7f\x85\xa0\u200b\u2028\ufeffé推🏙\u0939\u093f\uffff\U0010ffff"
)
WORDS = [
    "channel",
    "is_click",
    "user_id",
    "item",
    "shown_at",
    "split",
    "null",
    "yes",
    "<<",
    "- a",
    "a: b",
    "# check: x",
]
NAMES = st.one_of(
    st.sampled_from(WORDS),
    st.text(SIGNS, max_size=6),
    st.text(SIGNS, max_size=4).map("order {}".format),
)
VALUES = st.one_of(
    st.lists(st.sampled_from([0, 1]), min_size=2, max_size=6),
    st.lists(
        st.sampled_from(["yes", "no", "Train", "val", "test", "train"]), min_size=2, max_size=6
    ),
    st.lists(st.text(SIGNS, max_size=5) | st.none(), min_size=2, max_size=6),
    st.lists(st.integers(-(2**63), 2**63 - 1) | st.none(), min_size=2, max_size=6),
    st.lists(st.floats() | st.none(), min_size=2, max_size=6),
    st.lists(st.booleans() | st.none(), min_size=2, max_size=6),
    st.lists(st.dates() | st.none(), min_size=2, max_size=6),
    st.lists(st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1)), min_size=4, max_size=6),  # noqa: DTZ001
    st.just([Decimal("1.50"), Decimal("0.00"), None]),
    st.just([timedelta(1), None]),
    st.just([[1], [], None]),
    st.just([{"a\n": 1}, {"a\n": 2}]),
    st.just([b"\xff", None]),
    st.just([None]),
)

ENOUGH: dict[str, list[object]] = {
    "channel": ["a", "b"],
    "is_click": [0, 0, 1, 1],
    "user_id": list(range(20)),
}


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HINET_SEARCH_DATA", raising=False)


def _written() -> DataDefinition:
    """The definition as a study reads it; the study is read too, its spaces are not."""
    assert read(Path("studies/rows.yaml")).tree["data"] == "../data/rows.yaml"
    return read(Path("data/rows.yaml")).parse(DataDefinition)


@settings(max_examples=60)
@given(
    st.sampled_from([{}, ENOUGH, ENOUGH]), st.dictionaries(NAMES, VALUES, min_size=1, max_size=7)
)
def test_what_is_written_of_any_table_can_be_read_again(
    ordinary: dict[str, list[object]], odd: dict[str, list[object]]
) -> None:
    columns = {**ordinary, **odd}
    frame = pl.DataFrame(
        {name: pl.Series(cycle(values, ROWS), strict=False) for name, values in columns.items()}
    )
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        frame.write_parquet("rows.parquet")
        try:
            write_draft(Path("rows.parquet"), None, force=False)
        except HinetSearchError:
            assert [path.name for path in Path().iterdir()] == ["rows.parquet"]
            return
        definition = _written()
    names = flattened(frame.lazy(), "rows").collect_schema()
    assert {column for _, column in named_columns(definition)} <= {*names, EVERY_ROW}


@given(st.text(SIGNS, min_size=1, max_size=6), st.text(SIGNS, min_size=1, max_size=6))
def test_names_and_values_are_read_again_as_they_stand_in_the_table(name: str, value: str) -> None:
    frame = pl.DataFrame(
        {
            f"channel {name}": cycle([value, f"{value}x"], ROWS),
            f"is_click {name}": cycle([0, 0, 1, 1], ROWS),
            f"user_id {name}": cycle(list(range(20)), ROWS),
        }
    )
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        frame.write_parquet("rows.parquet")
        write_draft(Path("rows.parquet"), None, force=False)
        definition = _written()
    assert [column for _, column in named_columns(definition)][:2] == frame.columns[:2]
    assert definition.scenario.values == {value: value, f"{value}x": f"{value}x"}


@pytest.mark.parametrize("tens", range(5))
def test_what_is_written_of_a_made_table_can_be_encoded(
    tens: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten tables: all splits have the rows and classes that a check asks for."""
    for seed in range(10 * tens, 10 * tens + 10):
        folder = tmp_path / str(seed)
        folder.mkdir()
        monkeypatch.chdir(folder)
        made_table(seed).write_parquet("rows.parquet")
        try:
            write_draft(Path("rows.parquet"), None, force=False)
        except DataError:  # a role is missing, or there are too few rows of a class
            continue
        prepare(_written(), folder / "studies", folder / "cache", lambda _: None)
