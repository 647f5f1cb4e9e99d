"""Makers of odd tables: a file with its outcome, made from an ordinary table."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

ROWS = 480
BEGUN = datetime(2026, 5, 1)  # noqa: DTZ001  exports have no zone


@dataclass(frozen=True)
class OddTable:
    """A file and its outcome.

    `refused_by` is `init` or `check`, empty where the study must run. `says` are texts that the
    written definition, or the error, must contain.
    """

    file: str
    write: Callable[[Path], object]
    says: tuple[str, ...] = ()
    refused_by: str = ""


def ordinary(rows: int = ROWS) -> pl.DataFrame:
    """Two channels, ten days, a click that follows from the price."""
    draw = np.random.default_rng(0)
    price = np.round(draw.gamma(2.0, 20.0, rows), 2)
    second = np.sort(draw.integers(0, 10 * 86_400, rows))
    return pl.DataFrame(
        {
            "channel": draw.choice(["home", "search"], rows, p=[0.6, 0.4]),
            "user_id": draw.integers(0, 40, rows),
            "item_id": draw.integers(0, 30, rows),
            "price": price,
            "shown_at": [BEGUN + timedelta(seconds=int(value)) for value in second],
            "is_click": (price + draw.normal(0, 20, rows) > 36).astype(np.int64),
        }
    )


def cycle(values: list[object], rows: int = ROWS) -> list[object]:
    """The values again and again."""
    return (values * (rows // len(values) + 1))[:rows]


def parquet(says: list[str] | str = (), refused_by: str = "", **columns: object) -> OddTable:  # type: ignore[assignment]
    return table(lambda: ordinary().with_columns(**series_of(columns)), says, refused_by)


def table(
    frame: Callable[[], pl.DataFrame], says: list[str] | str = (), refused_by: str = ""
) -> OddTable:  # type: ignore[assignment]
    lines = (says,) if isinstance(says, str) else tuple(says)
    return OddTable("rows.parquet", lambda path: frame().write_parquet(path), lines, refused_by)


def csv(text: Callable[[str], str], says: str = "", refused_by: str = "") -> OddTable:
    """The ordinary table as a CSV file with edited text."""
    return OddTable(
        "rows.csv",
        lambda path: path.write_text(text(ordinary().write_csv()), encoding="utf-8"),
        (says,) if says else (),
        refused_by,
    )


def series_of(columns: dict[str, object]) -> dict[str, object]:
    return {
        name: value
        if isinstance(value, pl.Series | pl.Expr)
        else pl.Series(cycle(list(value)), strict=False)  # type: ignore[call-overload]
        for name, value in columns.items()
    }


def renamed(names: dict[str, str]) -> Callable[[], pl.DataFrame]:
    return lambda: ordinary().with_columns(city=pl.Series(cycle(["a", "b", "c"]))).rename(names)


def header(line: str) -> Callable[[str], str]:
    return lambda text: "\n".join([line, *text.splitlines()[1:], ""])


def line_by_line(change: Callable[[str], str]) -> Callable[[str], str]:
    return lambda text: "\n".join([*map(change, text.splitlines()), ""])


def mixed(line: str) -> str:
    """A number, a text, or nothing in one more column."""
    return (
        f"{line},{cycle(['12', 'unknown', '', '3.5', 'n/a'])[len(line)]}"
        if line[0] != "c"
        else f"{line},mixed"
    )


def wide() -> pl.DataFrame:
    draw = np.random.default_rng(1)
    return ordinary().with_columns(
        pl.Series(f"x{place}", draw.normal(size=ROWS)) for place in range(494)
    )
