"""Newer rows of the shop: tastes have changed, and some users and an item are new."""

from pathlib import Path

import numpy as np
import polars as pl

from hinet_search.serving.newer.rows import judging_rows
from tests.serving.shop import scores_of

FIRST = 1400  # minute, after those of the study
NEW_USERS, NEW_ITEM = range(60, 80), "z"


def newer_rows(num_rows: int = 1600, seed: int = 1, first: int = FIRST) -> pl.DataFrame:
    """A row a minute of users 20 to 79, half of them new ones; each has a taste of its own."""
    generator = np.random.default_rng(seed)
    taste = np.random.default_rng(77).normal(size=80) * 2.5
    user = generator.integers(40, 80, num_rows)
    click = generator.random(num_rows) < 1 / (1 + np.exp(-taste[user]))
    bought = click & (generator.random(num_rows) < 0.5)
    return pl.DataFrame(
        {
            "place": generator.choice([1, 2, 3], num_rows, p=[0.5, 0.3, 0.2]),
            "user": user,
            "item": generator.choice([*"abcdefgh", NEW_ITEM], num_rows),
            "colour": generator.choice(["red", "blue"], num_rows),
            "price": generator.normal(100, 20, num_rows).round(2),
            "age": generator.integers(18, 80, num_rows),
            "clicked": click.astype(np.int8),
            "bought": bought.astype(np.int8),
            "minute": np.arange(first, first + num_rows),
        }
    )


def parts(frame: pl.DataFrame, num_learned: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The held-out rows that choose, and those that judge; users are numbered in all rows."""
    number = (frame["user"].rank("dense").cast(pl.Int32) - 1).to_numpy()[num_learned:]
    held_out, judges = frame[num_learned:], pl.Series(judging_rows(number))
    return held_out.filter(~judges), held_out.filter(judges)


def written(frame: pl.DataFrame, at: Path) -> Path:
    """The frame as a Parquet file in a folder."""
    path = at / "newer.parquet"
    frame.write_parquet(path)
    return path


def probabilities(folder: Path, frame: pl.DataFrame, at: Path) -> np.ndarray:
    """What `predict` gives for the rows (R, T)."""
    return scores_of(folder, frame, at)
