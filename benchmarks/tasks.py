"""Development tasks: data sets on which defaults and choices are judged, each with a study.

`python benchmarks/tasks.py FOLDER` writes FOLDER/NAME.yaml, a study of the joint arms, for every
task, and FOLDER/NAME.parquet for those that take a part of the users. The real rows are those of
the shipped definitions, from HINET_SEARCH_DATA (else data).
"""

import argparse
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from hinet_search.study.find_file import find
from hinet_search.study.yaml_file import read

DATA = Path(os.environ.get("HINET_SEARCH_DATA", "data"))
USER_SEED = 1
WITH_STATISTICS = ("kuairand_statistics", "kuairand_40_000")
ARMS = ("hinet", "mmoe", "ple", "hmoe", "star", "shared_bottom")
NUM_TABS = 15
SMALLEST_CATEGORY = 5_000
ONE_CLASS = (3, 9, 10, 11, 14)

Definition = dict[str, Any]


def main() -> None:
    """Write every task."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, definition in TASKS.items():
        study = {"data": definition(folder / f"{name}.parquet"), "arms": dict.fromkeys(ARMS)}
        (folder / f"{name}.yaml").write_text(json.dumps(study, indent=1))


def _fields(_rows: Path) -> Definition:
    """KuaiRand's fields and ids, without statistics and lists."""
    return dict(read(find("studies", "kuairand_raw")).tree["data"])


def _statistics(rows: Path) -> Definition:
    """KuaiRand's fields, ids and label statistics."""
    full = read(find("studies", "kuairand").parent / "data" / "kuairand.yaml").tree
    return _with_features(_fields(rows), statistics=full["features"]["statistics"])


def _ids(rows: Path) -> Definition:
    """Users and videos of KuaiRand alone."""
    return {**_fields(rows), "features": {"categorical": ["user_id", "video_id"]}}


def _all_tabs(rows: Path) -> Definition:
    """KuaiRand's fields in all fifteen tabs; those that lack a class in training are one."""
    values = {tab: "the others" if tab in ONE_CLASS else f"tab {tab}" for tab in range(NUM_TABS)}
    return {**_fields(rows), "scenario": {"column": "tab", "values": values}}


def _part(definition: Callable[[Path], Definition], num_rows: int) -> Callable[[Path], Definition]:
    """The task of a part of the users, in random order, that has about `num_rows` rows."""

    def part(rows: Path) -> Definition:
        whole = definition(rows)
        frame = pl.read_parquet(DATA / whole["source"]["path"])
        counts = frame.group_by(whole["user"]).len().sort(whole["user"])
        order = np.random.default_rng(USER_SEED).permutation(len(counts))
        shuffled = counts[order].with_columns(pl.col("len").cum_sum())
        users = shuffled.filter(pl.col("len") <= num_rows)[whole["user"]]
        frame.filter(pl.col(whole["user"]).is_in(users.implode())).write_parquet(rows)
        return {**whole, "source": {"kind": "table", "path": rows.name}}

    return part


def _movielens(split: str) -> Callable[[Path], Definition]:
    """MovieLens-1M with one of its two splits."""
    tree = read(find("studies", "movielens_1m").parent / "data" / "movielens_1m.yaml").tree
    return lambda _rows: {**tree, "split": {"by": "column", "column": split}}


def _movielens_ids(rows: Path) -> Definition:
    """Users and films of MovieLens-1M alone."""
    return {**_movielens("split")(rows), "features": {"categorical": ["user_id", "movie_id"]}}


def _synthetic(id_effects: float) -> Callable[[Path], Definition]:
    """The rows of `synthetic_truth`, a third of them; ids explain that share of the signal."""
    tree = read(find("studies", "synthetic_truth")).tree["data"]
    source = {**tree["source"], "rows": 100_000, "id_effects": id_effects}
    categorical = ["user_id", "item_id", *tree["features"]["categorical"]]
    definition = _with_features({**tree, "source": source}, categorical=categorical)
    return lambda _rows: definition


def _epinions(rows: Path) -> Definition:
    """A fifth of the users of Epinions, in the categories with 5,000 reviews of theirs or more."""
    tree = read(find("studies", "kuairand").parent / "data" / "epinions.yaml").tree
    definition = _part(lambda _: dict(tree), 200_000)(rows)
    counts = pl.read_parquet(rows)["category"].value_counts()
    large = counts.filter(pl.col("count") >= SMALLEST_CATEGORY)["category"].sort().to_list()
    scenario = {"column": "category", "values": {number: f"c{number}" for number in large}}
    return {**definition, "scenario": scenario}


def _frappe(_rows: Path) -> Definition:
    """Frappe_x1: which apps are used at which time of the day; ids and contexts."""
    return dict(read(find("studies", "kuairand").parent / "data" / "frappe_x1.yaml").tree)


def _hillstrom(_rows: Path) -> Definition:
    """E-mails of a shop to three groups of customers, drawn at random; no ids."""
    groups = {"No E-Mail": "none", "Mens E-Mail": "men", "Womens E-Mail": "women"}
    fields = ("history_segment", "mens", "womens", "zip_code", "newbie", "channel")
    return {
        "source": {"kind": "table", "path": "hillstrom/emails.parquet"},
        "scenario": {"column": "segment", "values": groups},
        "tasks": {"visit": {"column": "visit"}, "conversion": {"column": "conversion"}},
        "features": {"categorical": list(fields), "numeric": ["recency", "history"]},
        "never_features": ["spend"],
        "split": {"by": "random", "seed": 1},
    }


def _uneven(_rows: Path) -> Definition:
    """Synthetic rows with uneven numbers, which docs/results/uneven_table.py writes to FOLDER."""
    return dict(read(find("studies", "questions/numbers")).tree["data"])


def _with_features(definition: Definition, **features: Any) -> Definition:
    return {**definition, "features": {**definition["features"], **features}}


TASKS: dict[str, Callable[[Path], Definition]] = {
    "kuairand_fields": _fields,
    "kuairand_statistics": _statistics,
    "kuairand_ids": _ids,
    "kuairand_15_tabs": _all_tabs,
    "kuairand_10_000": _part(_fields, 10_000),
    "kuairand_40_000": _part(_statistics, 40_000),
    "movielens_random": _movielens("split"),
    "movielens_time": _movielens("split_time"),
    "movielens_ids": _movielens_ids,
    "movielens_100_000": _part(_movielens("split"), 100_000),
    "synthetic_attributes": _synthetic(0.0),
    "synthetic_ids": _synthetic(0.7),
    "movielens_time_100_000": _part(_movielens("split_time"), 100_000),
    "epinions_200_000": _epinions,
    "frappe": _frappe,
    "hillstrom": _hillstrom,
    "uneven": _uneven,
}


if __name__ == "__main__":
    main()
