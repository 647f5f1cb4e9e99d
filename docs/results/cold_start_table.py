"""Write the table of the question of cold start: `docs/results/cold_start_table.py FOLDER`.

Made-up rows of three scenarios, with a column per way to split them. They differ in what training
sees of the scenario `push`:

    new_1, new_10, new_100          that percentage of its training rows
    new_0                           none; valid and test lack the rows of `home`, so that a study
                                    that takes `push` for `home` scores `push` alone there
    users_seen, users_unseen        half of its training rows, by the users of valid and test in it,
                                    or by the other half of the users
    items_seen, items_unseen        the same of items

For the last four, only rows of one half of the users (items) of `push` are in its valid and test.
All users and items are active in the other scenarios.
"""

import sys
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hinet_search.data.sources import synthetic

NEW, LIKE = "push", "home"
OPTIONS = synthetic.Options(
    rows=80_000,
    seed=3,
    scenarios={LIKE: 0.5, "search": 0.25, NEW: 0.25},
    tasks={"click": 0.3, "order": 0.1},
    num_users=2_000,
    num_items=500,
    user_overlap=1.0,
    preference_correlation=0.8,
    id_effects=0.6,
    num_numeric=2,
)


def split_columns(table: pl.DataFrame) -> dict[str, NDArray[np.str_]]:
    """Return every way to split the table, by the name of its column."""
    generator = np.random.default_rng(1)
    split = np.where(generator.random(len(table)) < 0.5, "train", "valid")
    split[(split == "valid") & (generator.random(len(table)) < 0.5)] = "test"
    is_new = (table["scenario"] == NEW).to_numpy()
    is_new_train = is_new & (split == "train")
    draw = generator.random(len(table))
    columns = {}
    for percent in (1, 10, 100):
        columns[f"new_{percent}"] = _without(split, is_new_train & (draw >= percent / 100))
    is_scored_home = (table["scenario"] == LIKE).to_numpy() & (split != "train")
    columns["new_0"] = _without(split, is_new_train | is_scored_home)
    for kind, column, count in (
        ("users", "user_id", OPTIONS.num_users),
        ("items", "item_id", OPTIONS.num_items),
    ):
        in_first_half = (generator.permutation(count) < count // 2)[table[column].to_numpy()]
        second_half_is_scored = _without(split, is_new & ~is_new_train & in_first_half)
        columns[f"{kind}_seen"] = _without(second_half_is_scored, is_new_train & in_first_half)
        columns[f"{kind}_unseen"] = _without(second_half_is_scored, is_new_train & ~in_first_half)
    return columns


def _without(split: NDArray[np.str_], is_left_out: NDArray[np.bool_]) -> NDArray[np.str_]:
    return np.where(is_left_out, "none", split)


if __name__ == "__main__":
    made = synthetic.load(OPTIONS, Path(), Path()).collect()
    target = Path(sys.argv[1]) / "cold_start" / "rows.parquet"
    target.parent.mkdir(parents=True, exist_ok=True)
    made.with_columns(**split_columns(made)).write_parquet(target)
    print(f"wrote {target}: {len(made):,} rows")
