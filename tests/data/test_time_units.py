"""Time units: the written definition says what the numbers of a time column count."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from hinet_search.data.guess.write_definition import write_draft
from hinet_search.study.data_definition import DataDefinition
from hinet_search.study.yaml_file import read

ROWS = 1200
SECOND_R = 1_760_000_000 + 500 * np.arange(ROWS)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def drafted(times: Any) -> tuple[str | None, str]:
    """The unit in the definition of a table with such times, and the definition's text."""
    draw = np.random.default_rng(1)
    columns = {
        "is_click": draw.integers(0, 2, ROWS),
        "channel": draw.choice(["home", "search"], ROWS),
        "user_id": draw.integers(0, 100, ROWS),
        "item_id": draw.integers(0, 40, ROWS),
        "timestamp": times,
    }
    pl.DataFrame(columns).write_parquet("rows.parquet")
    write_draft(Path("rows.parquet"), None, force=True)
    path = Path("data/rows.yaml")
    return read(path).parse(DataDefinition).time_unit, path.read_text()


@pytest.mark.parametrize(
    ("a_second", "unit", "name"),
    [
        (1, "s", "seconds"),
        (10**3, "ms", "milliseconds"),
        (1000.0, "ms", "milliseconds"),
        (10**6, "us", "microseconds"),
        (10**9, "ns", "nanoseconds"),
    ],
)
def test_whole_numbers_since_1970_have_the_unit_of_their_size(
    a_second: float, unit: str, name: str
) -> None:
    found, text = drafted(SECOND_R * a_second)
    assert found == unit
    assert f"time_unit: {unit}   # {name} since 1970; events and sessions need it\n" in text


@pytest.mark.parametrize(
    "times",
    [
        pl.Series(SECOND_R).cast(pl.Datetime("ms")),
        20_260_500 + np.arange(ROWS) // 50,
        SECOND_R + 0.5,
    ],
    ids=["datetimes", "numbers of a day", "parts of a second"],
)
def test_other_times_have_none(times: Any) -> None:
    assert drafted(times)[0] is None


def test_moments_of_users_are_said_to_allow_events() -> None:
    assert "# events, session, sequences: what the log knows" in drafted(SECOND_R)[1]


def test_days_get_no_events() -> None:
    _, text = drafted(pl.Series(SECOND_R).cast(pl.Datetime("us")).dt.date())
    assert "events, session" not in text
