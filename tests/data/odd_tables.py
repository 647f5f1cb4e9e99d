"""A table like a real export: odd names, odd types, no description."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl

START = datetime(2026, 5, 1, tzinfo=UTC)


def odd_table(rows: int = 6000, seed: int = 0) -> pl.DataFrame:
    """Rows of three channels (and a rare one) over ten days; price and user decide the labels."""
    draw = np.random.default_rng(seed)
    user, item = draw.integers(0, rows // 12, rows), draw.integers(0, 200, rows)
    price = np.round(draw.gamma(2.0, 20.0, rows), 2)
    score = (user % 7) / 3.5 - price / 60 + draw.normal(0, 0.5, rows)
    click = score + draw.normal(0, 0.7, rows) > 0
    order = click & (draw.random(rows) < 0.4)
    channel = np.where(
        draw.random(rows) < 0.002,
        "Kiosk",
        draw.choice(["home page", "Suche", "推送"], rows, p=[0.5, 0.3, 0.2]),
    )
    moment = [
        START + timedelta(seconds=int(second))
        for second in np.sort(draw.integers(0, 10 * 86_400, rows))
    ]
    return pl.DataFrame(
        {
            "Channel": channel,
            "is clicked": click,
            "Order count": (order * draw.integers(1, 4, rows)).astype(np.int64),
            "user id": [f"u-{value:05d}" for value in user],
            "商品 id": item,
            "Preis (€)": [Decimal(f"{value:.2f}") for value in price],
            "shownAt": pl.Series(moment).dt.convert_time_zone("Europe/Berlin"),
            "day as text": [value.date().isoformat() for value in moment],
            "dwell seconds": np.where(click, draw.gamma(2.0, 10.0, rows), 0.0),
            "age: days": np.where(draw.random(rows) < 0.05, np.nan, draw.integers(0, 400, rows)),
            "is new": draw.random(rows) < 0.2,
            "yes": [("a", "b", None)[value] for value in draw.integers(0, 3, rows)],
            "viewed": [[int(value), int(value) + 1] for value in item],
            "nested": [{"a": 1, "b": "x"}] * rows,
            "note": pl.Series([None] * rows, dtype=pl.String),
            "version": ["v1"] * rows,
            "row": np.arange(rows),
        }
    )


def write_odd_table(folder: Path, rows: int = 6000) -> Path:
    """The table as a Parquet file in a folder."""
    path = folder / "odd rows.parquet"
    odd_table(rows).write_parquet(path)
    return path
