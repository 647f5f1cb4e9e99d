"""Nights: a model that goes on every night against one that stays, and one trained from scratch.

`docs/results/nights.py kuairand epinions made_up --output FOLDER` ships a model of the
rows before the first night. Every night is then scored three times, before anything learns of it:
by the shipped model (frozen), by what `hinet-search nightly` serves, and by a model trained from
scratch on all rows before that night, whose newest 20 % decide when to stop, as of a refit. All
have one configuration. What is done is not run again; seconds are those of the processor.
"""

import argparse
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
import yaml
from drifting_table import drifting_table
from markdown_tables import number, spread, table
from sklearn.metrics import roc_auc_score

import hinet_search as hs
from hinet_search.serving.newer.fit_again import HELD_OUT

DATA = Path(os.environ.get("HINET_SEARCH_DATA", "."))
STUDIES = Path(__file__).parents[2] / "studies" / "data"
BELOW = 0.001  # AUC
HEAD = (
    "rows",
    "nights",
    "frozen",
    "nightly",
    "retrained",
    "of retraining's gain",
    "of its seconds",
    f"nights below frozen by more than {number(BELOW)}",
    "of these with an alarm",
)


@dataclass(frozen=True)
class World:
    """Rows by `night`, which is 0 for all that are older than the first one.

    `definition` is of data, without source and split; `clock` orders the rows within a night.
    Nights have rows of scenarios that the definition lacks only if these are new.
    """

    frame: pl.DataFrame
    clock: str
    definition: Mapping[str, Any]
    training: Mapping[str, Any]


@dataclass(frozen=True)
class Measured:
    """One night: the AUC of each model, the processor's seconds, and the alarms.

    The AUC is the mean over scenarios and tasks, weighted by rows.
    """

    frozen: float
    nightly: float
    retrained: float
    nightly_seconds: float
    retrained_seconds: float
    outcome: str
    alarms: tuple[str, ...]


def kuairand(_seed: int) -> World:
    """25 to 30 April, then the six days of May as nights."""
    frame = pl.read_parquet(DATA / "kuairand_pure" / "log.parquet")
    history = pl.read_parquet(DATA / "kuairand_pure" / "user_history.parquet")
    frame = frame.join(history, on="user_id", how="left").with_columns(
        night=(pl.col("date") - 20220500).clip(lower_bound=0)
    )
    training = {
        "arms": {"hinet": None},
        "passes": 2,
        "fixed": {
            "features.minimum_frequency": 10,
            "train.embedding_learning_rate_multiplier": 0.1,
            "train.embedding_l2": 0.002,
        },
    }
    definition = defined("kuairand")
    return World(of_scenarios(frame, definition), "time_ms", definition, training)


def epinions(_seed: int) -> World:
    """Seven stamps of time, then the last four as nights."""
    frame = pl.read_parquet(DATA / "epinions" / "ratings.parquet").with_columns(
        night=(pl.col("time") - 7).clip(lower_bound=0)
    )
    training = {
        "arms": {"mmoe": None},
        "passes": 2,
        "fixed": {"features.minimum_frequency": 10, "train.embedding_l2": 0.002},
    }
    definition = defined("epinions")
    return World(of_scenarios(frame, definition), "time", definition, training)


def made_up(seed: int) -> World:
    """A hundred days that drift, then fourteen nights.

    From the seventh a new scenario has a fifth of the rows; in the tenth the price is broken.
    """
    frame = drifting_table(seed, rows_a_day=3000).with_row_index("row")
    frame = frame.with_columns(day_number=pl.col("day").rank("dense").cast(pl.Int32))
    first = 200
    frame = frame.filter(pl.col("day_number").is_between(first - 100, first + 13))
    frame = frame.with_columns(night=(pl.col("day_number") - first + 1).clip(lower_bound=0))
    draw = np.random.default_rng(seed)
    price = pl.Series(draw.normal(size=len(frame))) + pl.col("truth_click") * 2
    is_new = pl.Series(draw.random(len(frame)) < 0.2) & (pl.col("night") >= 7)
    frame = frame.with_columns(
        price=pl.when(pl.col("night") == 10).then(0.0).otherwise(price),
        scenario=pl.when(is_new).then(pl.lit("push")).otherwise("scenario"),
    )
    definition = {
        "scenario": {"column": "scenario", "values": {"feed": "feed", "search": "search"}},
        "tasks": {"click": {"column": "click"}, "buy": {"column": "buy"}},
        "user": "user",
        "item": "item",
        "time": "day",
        "features": {"categorical": ["user", "item"], "numeric": ["price"]},
    }
    training = {"arms": {"mmoe": None}, "passes": 2, "fixed": {"features.minimum_frequency": 5}}
    return World(frame, "row", definition, training)


WORLDS: dict[str, Callable[[int], World]] = {
    "kuairand": kuairand,
    "epinions": epinions,
    "made_up": made_up,
}


def nights(world: World, seed: int, folder: Path) -> Iterator[Measured]:
    """Yield what every night is worth to the three models."""
    shipped, _ = trained(world, 1, seed, folder)
    served = folder / "served"
    rows = folder / "night.parquet"
    for number_of_night in range(1, int(world.frame["night"].max()) + 1):
        of_night = world.frame.filter(pl.col("night") == number_of_night)
        known = of_scenarios(of_night, world.definition)
        known.write_parquet(rows)
        newest, retrained_seconds = trained(world, number_of_night, seed, folder)
        current = served / "current" if (served / "current").exists() else shipped
        scores = [auc(world, known, model, rows) for model in (shipped, current, newest)]
        of_night.write_parquet(rows)
        began = seconds()
        night = hs.nightly(shipped, rows, served)
        yield Measured(*scores, seconds() - began, retrained_seconds, night.outcome, night.alarms)


def trained(world: World, night: int, seed: int, folder: Path) -> tuple[Path, float]:
    """Train on all rows before a night and export; return the folder, and seconds of both."""
    model = folder / f"before_{night}"
    done = model.with_suffix(".seconds")
    if done.exists():
        return model, float(done.read_text())
    before = world.frame.filter(pl.col("night") < night).sort("night", world.clock)
    num_held_out = round(HELD_OUT * (before["night"] == night - 1).sum())
    if night == 1:  # of the whole past
        num_held_out = round(HELD_OUT * (world.frame["night"] == 1).sum())
    is_held_out = pl.int_range(pl.len()) >= len(before) - num_held_out
    is_choosing = pl.col(world.definition["user"]).hash(seed=1) % 2 == 0
    split = pl.when(~is_held_out).then(pl.lit("train"))
    split = split.when(is_choosing).then(pl.lit("valid")).otherwise(pl.lit("test"))
    began = seconds()
    with TemporaryDirectory(dir=folder) as name:
        scratch = Path(name)
        before.with_columns(night_split=split).write_parquet(scratch / "rows.parquet")
        study = scratch / "study.yaml"
        study.write_text(yaml.safe_dump(study_of(world, seed)))
        hs.launch(str(study), output=scratch / "out")
        hs.export(str(study), model, output=scratch / "out")
    took = seconds() - began
    done.write_text(str(took))
    return model, took


def study_of(world: World, seed: int) -> dict[str, Any]:
    """Return a study of one configuration and one seed."""
    data = dict(world.definition)
    data["source"] = {"kind": "table", "path": "rows.parquet"}
    data["split"] = {"by": "column", "column": "night_split"}
    return {
        "data": data,
        **world.training,
        "trials": 1,
        "finalists": {"top": 1, "seeds": 1},
        "seed": seed,
        "slots": 1,
        "device": "cpu",
    }


def auc(world: World, known: pl.DataFrame, model: Path, rows: Path) -> float:
    """Score the rows; return the mean AUC over cells, weighted by their rows."""
    scores = rows.with_name("scores.parquet")
    hs.predict(model, rows, scores)
    predicted = pl.read_parquet(scores)
    scenario = known[world.definition["scenario"]["column"]]
    aucs, weights = [], []
    for task, label in world.definition["tasks"].items():
        positive = positives(known, label)
        for value in scenario.unique():
            is_here = scenario == value
            labels = positive.filter(is_here)
            if labels.n_unique() == 2:
                aucs.append(roc_auc_score(labels, predicted[task].filter(is_here)))
                weights.append(len(labels))
    return float(np.average(aucs, weights=weights))


def positives(frame: pl.DataFrame, label: Mapping[str, Any]) -> pl.Series:
    """Return the labels of a task by its definition."""
    column = frame[label["column"]]
    if "equals" in label:
        return column == label["equals"]
    return column >= label.get("at_least", 1)


def seconds() -> float:
    """Return the processor's seconds of this process and its children."""
    used = (getrusage(RUSAGE_SELF), getrusage(RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def of_scenarios(frame: pl.DataFrame, definition: Mapping[str, Any]) -> pl.DataFrame:
    """Return the rows of the scenarios that a definition names."""
    scenario = definition["scenario"]
    return frame.filter(pl.col(scenario["column"]).is_in(list(scenario["values"])))


def defined(name: str) -> Mapping[str, Any]:
    """Return a data definition of the package."""
    definition: dict[str, Any] = yaml.safe_load((STUDIES / f"{name}.yaml").read_text())
    return definition


def measured(name: str, seed: int, output: Path) -> list[Measured]:
    """Return all nights, which are measured once."""
    folder = output / name / str(seed)
    done = folder / "nights.json"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        found = [asdict(night) for night in nights(WORLDS[name](seed), seed, folder)]
        done.write_text(json.dumps(found, indent=1))
    return [
        Measured(**{**night, "alarms": tuple(night["alarms"])})
        for night in json.loads(done.read_text())
    ]


def row(name: str, by_seed: list[list[Measured]]) -> tuple[str, ...]:
    """Return the cells of a world; the first night is left out, as all models are the same."""
    later = [night for of_seed in by_seed for night in of_seed[1:]]
    means = {
        model: [fmean(getattr(night, model) for night in of_seed[1:]) for of_seed in by_seed]
        for model in ("frozen", "nightly", "retrained")
    }
    frozen, nightly, retrained = (fmean(values) for values in means.values())
    took = sum(night.nightly_seconds for night in later)
    share = took / sum(night.retrained_seconds for night in later)
    below = [night for night in later if night.nightly < night.frozen - BELOW]
    return (
        name,
        f"{len(by_seed[0]) - 1}, {len(by_seed)} seeds",
        *(spread(values) for values in means.values()),
        f"{(nightly - frozen) / (retrained - frozen):.0%}",
        f"{share:.0%}",
        f"{len(below)} of {len(later)}",
        str(sum(bool(night.alarms) for night in below)),
    )


def main() -> None:
    """Print a row for every world, then its nights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("worlds", nargs="+", choices=[*WORLDS])
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3, 4, 5])
    parser.add_argument("--output", type=Path, default=Path("nights"))
    options = parser.parse_args()
    rows = []
    for name in options.worlds:
        by_seed = []
        for seed in options.seeds:
            by_seed.append(measured(name, seed, options.output))
            print(f"{name}, seed {seed}:", flush=True)
            for night in by_seed[-1]:
                print(f"  {night}", flush=True)
        rows.append(row(name, by_seed))
    print("\n".join(table(HEAD, rows)))


if __name__ == "__main__":
    main()
