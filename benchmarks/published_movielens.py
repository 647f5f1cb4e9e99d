"""Scenario-Wise-Rec on MovieLens-1M: its HAMUR on the very rows of `public/movielens_1m`.

    python benchmarks/published_movielens.py CHECKOUT [--seeds 10]

CHECKOUT is a clone of github.com/Xiaopengli1/Scenario-Wise-Rec. Its own model, layers and trainer
run in an environment of their own, on one thread, with the settings of its script for MovieLens.
Rows and ids are those that our study trains on (found in HINET_SEARCH_DATA), so its split is ours:
its script draws another one for every seed. Printed are pooled AUC on validation and test, passes
and seconds, for every seed.
"""

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

import numpy as np

from bench_peers import CACHE, HERE, NUMPY, PANDAS, SKLEARN, TORCH
from environments import make_environment, run
from hinet_search import api
from hinet_search.data.columns import Dataset
from hinet_search.study.launch_options import LaunchOptions

STUDY, VARIANT = "public/movielens_1m", "scenario_wise_rec"
REQUIREMENTS = (TORCH, NUMPY, PANDAS, SKLEARN, "tqdm==4.70.1")
FIRST_SEED = 2022  # that of its script; the others follow
RUN_SECONDS = 7_200


@dataclass(frozen=True)
class Trained:
    """One training: pooled AUC of its best weights, that of every domain on test, and its cost."""

    seed: int
    valid: float
    test: float
    domains: tuple[float, ...]
    passes: int
    seconds: float


def main() -> None:
    """Print a line for every training, then means over seeds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkout", type=Path, help="a clone of Scenario-Wise-Rec")
    parser.add_argument("--seeds", type=int, default=10)
    given = parser.parse_args()
    rows = CACHE / "movielens"
    write_rows(api.ready(STUDY, LaunchOptions(variant=VARIANT)).dataset, rows)
    trained = []
    for each in trainings(given.checkout, rows, given.seeds):
        print(each, flush=True)
        trained.append(each)
    for split in ("valid", "test"):
        values = [getattr(each, split) for each in trained]
        spread = stdev(values) if len(values) > 1 else float("nan")
        print(f"HAMUR {split}: {fmean(values):.4f} ± {spread:.4f} ({len(values)} seeds)")


def write_rows(dataset: Dataset, folder: Path) -> None:
    """Write the arrays of each split, and what the columns are."""
    folder.mkdir(parents=True, exist_ok=True)
    schema = dataset.full_schema
    about = {"ids": schema.categorical, "sizes": schema.vocabulary_sizes, "numbers": schema.numeric}
    (folder / "about.json").write_text(json.dumps(about), encoding="utf-8")
    for split in ("train", "valid", "test"):
        columns = getattr(dataset, split)
        np.savez(
            folder / f"{split}.npz",
            ids=columns.ids_RF,
            numbers=columns.numeric_RN,
            domain=columns.scenario_R,
            label=columns.labels_RT[:, 0],
        )


def trainings(checkout: Path, rows: Path, seeds: int) -> Iterator[Trained]:
    """Yield the training of every seed."""
    environment = make_environment(CACHE / "scenario-wise-rec", REQUIREMENTS)
    if environment.failure:
        raise SystemExit(f"Scenario-Wise-Rec: {environment.failure}")
    script = HERE / "peers" / "run_scenario_wise_rec.py"
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        command = [str(environment.python), str(script), str(checkout.resolve()), str(rows)]
        printed, failure = run([*command, "--seed", str(seed)], RUN_SECONDS)
        lines = [line for line in printed.splitlines() if line.startswith('{"seed"')]
        if failure or not lines:
            raise SystemExit(f"HAMUR, seed {seed}: {failure or 'it printed no figure'}")
        figure = json.loads(lines[-1])
        yield Trained(**figure | {"domains": tuple(figure["domains"])})


if __name__ == "__main__":
    main()
