"""Print how statistics by folds differ between splits: `docs/results/fold_skew.py FOLDER`.

On rows that are split at random, inputs are distributed alike in train and validation if training
sees what scoring sees. For four tables this prints the distance (Kolmogorov-Smirnov) of train to
validation and to test, of values rounded to a hundredth of their standard deviation, and the
validation macro AUC of trees and Shared Bottom over five seeds, by default settings. Tables after
FOLDER are measured alone; real ones are in HINET_SEARCH_DATA.
"""

import sys
from collections.abc import Mapping
from os import environ
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
from scipy.stats import ks_2samp

import hinet_search as hs
from hinet_search.data.encoded_folder import open_dataset
from hinet_search.data.sources import synthetic
from hinet_search.results.finalist_values import chosen, headline_by_seed

MADE_UP = synthetic.Options(
    rows=80_000,
    seed=3,
    scenarios={"home": 0.5, "search": 0.3, "push": 0.2},
    tasks={"click": 0.3, "order": 0.1},
    num_users=4_000,
    num_items=1_000,
    id_effects=0.8,
)
RANDOM = {"by": "random", "seed": 1, "valid": 0.15, "test": 0.15}
BY_COLUMN = {"by": "column", "column": "split"}
TABLES: Mapping[str, dict[str, Any]] = {
    "movielens_1m/ratings": {
        "scenario": "scenario",
        "tasks": {"click": {"column": "rating", "above": 3}},
        "user": "user_id",
        "features": {
            "categorical": ["user_id", "movie_id", "gender", "age", "occupation", "genre_first"],
            "statistics": {"by": ["user_id", "movie_id", ["user_id", "genre_first"]]},
        },
        "split": BY_COLUMN,
    },
    "frappe/frappe_x1": {
        "scenario": "homework",
        "tasks": {"used": "used"},
        "user": "user",
        "features": {
            "categorical": ["user", "item", "daytime", "weekday", "weather", "country"],
            "statistics": {"by": ["item", ["user", "item"], ["item", "daytime"]]},
        },
        "split": BY_COLUMN,
    },
    "hillstrom/emails": {
        "scenario": "segment",
        "tasks": {"visit": "visit"},
        "features": {
            "categorical": ["history_segment", "zip_code", "channel", "mens", "womens", "newbie"],
            "numeric": ["recency", "history"],
            "statistics": {"by": ["zip_code", ["zip_code", "recency", "channel", "mens"]]},
        },
        "split": RANDOM,
    },
    "made_up/rows": {
        "scenario": "scenario",
        "tasks": {"click": "click", "order": "order"},
        "user": "user_id",
        "features": {
            "categorical": ["user_id", "item_id", "user_attribute_0", "item_attribute_0"],
            "statistics": {"by": ["user_id", "item_id", ["user_id", "item_attribute_0"]]},
        },
        "split": RANDOM,
    },
}


def print_lines(name: str, folder: Path) -> None:
    """Print the distances of a table's inputs between splits, and the values of its arms."""
    path = Path(environ.get("HINET_SEARCH_DATA", ".")) / f"{name}.parquet"
    if name.startswith("made_up"):
        path = folder / "made_up.parquet"
        synthetic.load(MADE_UP, folder, folder).collect().write_parquet(path)
    record = hs.Study(
        name.partition("/")[0],
        path,
        **TABLES[name],
        arms=["trees", "shared_bottom"],
        trials=1,
        passes=2,
        finalists={"top": 1, "seeds": 5, "default": False},
        output=folder,
    ).launch()
    data = open_dataset(folder / "cache" / record.data.fingerprint)
    for number, column in enumerate(data.full_schema.numeric):
        if column.endswith((" rows", " rate")):
            train_R, valid_R, test_R = (
                np.round(split.numeric_RN[:, number], 2)
                for split in (data.train, data.valid, data.test)
            )
            distances = [ks_2samp(train_R, other_R).statistic for other_R in (valid_R, test_R)]
            print(name, column, *(f"{distance:.3f}" for distance in distances), sep=" | ")
    for arm in record.arms:
        values = headline_by_seed(record, chosen(arm), "valid").values()
        print(name, arm.name, f"{fmean(values):.4f} ± {stdev(values):.4f}", sep=" | ")


if __name__ == "__main__":
    for table in sys.argv[2:] or TABLES:
        print_lines(table, Path(sys.argv[1]))
