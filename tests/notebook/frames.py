"""Frames: a small frame of shop events as people have it in a notebook, and a study of it."""

import polars as pl

NUM_ROWS = 600
SMALL = {  # keys that make a study train in a second
    "trials": 1,
    "epochs": 1,
    "finalists": {"top": 1, "seeds": 1},
    "slots": 1,
    "device": "cpu",
}


def shop(num_rows: int = NUM_ROWS) -> pl.DataFrame:
    """Events of 3 channels and 2 tasks, of which one is the other's next step."""
    rows = pl.int_range(num_rows, eager=True)
    channels = {0: "home", 1: "search", 2: "push"}
    return pl.DataFrame(
        {
            "user_id": rows % 23,
            "item_id": rows % 19,
            "channel": (rows % 3).replace_strict(channels),
            "is_click": (rows * 7919 % 10 < 4).cast(pl.Int8),
            "is_order": (rows * 7919 % 10 < 2).cast(pl.Int8),
            "shown_at": pl.from_epoch(1_770_000_000 + rows * 2_000),
            "price": (rows % 17) / 3,
            "stars": rows * 31 % 5 + 1,
        }
    )
