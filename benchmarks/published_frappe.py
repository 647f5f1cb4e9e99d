"""FuxiCTR on Frappe_x1: its FinalMLP and DCNv2 with the settings that BARS publishes, as an anchor.

    python benchmarks/published_frappe.py CHECKOUT frappe/frappe_x1.parquet

CHECKOUT is a clone of github.com/reczoo/FuxiCTR. Its own `run_expid.py` trains on the rows that our
studies read, written as CSV, in an environment of its own, on one thread. Printed are AUC on
validation and test, and seconds, for every seed.
"""

import argparse
import json
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import polars as pl

from bench_peers import CACHE, PEERS
from environments import make_environment, run

FIELDS = (
    *("user", "item", "daytime", "weekday", "isweekend", "homework"),
    *("cost", "weather", "country", "city"),
)
LABEL = "used"
SPLITS = ("train", "valid", "test")
FIRST_SEED = 2021  # that of BARS; the others follow
RUN_SECONDS = 3_600
POLARS = "polars==1.44.2"  # the last release with an argument that it uses to read CSV
AUC = re.compile(r"\[Metrics\] AUC: ([0-9.]+) - logloss")  # of the best weights: validation, test
COMMON = {
    "model_root": "./checkpoints/",
    "loss": "binary_crossentropy",
    "metrics": ["AUC", "logloss"],
    "task": "binary_classification",
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "batch_size": 4096,
    "embedding_dim": 10,
    "embedding_regularizer": 0.05,
    "net_regularizer": 0,
    "epochs": 100,
    "shuffle": True,
    "monitor": "AUC",
    "monitor_mode": "max",
    "early_stop_patience": 2,
    "num_workers": 0,
    "verbose": 1,
    "save_best_only": True,
    "pickle_feature_encoder": True,
    "eval_steps": None,
    "debug_mode": False,
    "group_id": None,
    "use_features": None,
    "feature_specs": None,
    "feature_config": None,
}
# github.com/reczoo/BARS, docs/CTR: FinalMLP_frappe_x1_tuner_config_16 (004) and
# DCNv2_frappe_x1_tuner_config_03 (007).
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "FinalMLP": {
        "mlp1_hidden_units": [400],
        "mlp2_hidden_units": [100],
        "mlp1_hidden_activations": "relu",
        "mlp2_hidden_activations": "relu",
        "mlp1_dropout": 0.4,
        "mlp2_dropout": 0.4,
        "mlp1_batch_norm": True,
        "mlp2_batch_norm": True,
        "use_fs": True,
        "fs_hidden_units": [400],
        "fs1_context": ["user"],
        "fs2_context": ["item"],
        "num_heads": 5,
    },
    "DCNv2": {
        "model_structure": "parallel",
        "use_low_rank_mixture": False,
        "low_rank": 32,
        "num_experts": 4,
        "num_cross_layers": 4,
        "parallel_dnn_hidden_units": [400, 400, 400],
        "stacked_dnn_hidden_units": [500, 500, 500],
        "dnn_activations": "relu",
        "net_dropout": 0.4,
        "batch_norm": True,
    },
}


@dataclass(frozen=True)
class Trained:
    """One training: AUC of its best weights on validation and test, and seconds in all."""

    model: str
    seed: int
    valid: float
    test: float
    seconds: float


def main() -> None:
    """Print a line for every training, then means over seeds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkout", type=Path, help="a clone of FuxiCTR")
    parser.add_argument("table", type=Path, help="frappe_x1.parquet")
    parser.add_argument("--models", nargs="+", choices=SETTINGS, default=[*SETTINGS])
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    rows = CACHE / "frappe"
    write_rows(given.table, rows)
    for model in given.models:
        trained = []
        for each in trainings(given.checkout, rows, model, given.seeds):
            print(f"{each.model} seed {each.seed}: {each}", flush=True)
            trained.append(each)
        for split in ("valid", "test"):
            values = [getattr(each, split) for each in trained]
            spread = stdev(values) if len(values) > 1 else float("nan")
            print(f"{model} {split}: {fmean(values):.4f} ± {spread:.4f} ({len(values)} seeds)")


def write_rows(table: Path, folder: Path) -> None:
    """Write each split as CSV, with the columns that BARS has."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = pl.read_parquet(table)
    for split in SPLITS:
        of_split = rows.filter(pl.col("split").cast(pl.String) == split)
        of_split.select(LABEL, *FIELDS).write_csv(folder / f"{split}.csv")


def trainings(checkout: Path, rows: Path, model: str, seeds: int) -> Iterator[Trained]:
    """Yield the training of every seed."""
    peer = next(peer for peer in PEERS if peer.name == "fuxictr")
    _, *others = peer.requirements  # its scripts need the package of the same commit
    environment = make_environment(
        CACHE / "fuxictr-clone", (str(checkout.resolve()), *others, POLARS)
    )
    if environment.failure:
        raise SystemExit(f"fuxictr: {environment.failure}")
    script = checkout.resolve() / "model_zoo" / model / "run_expid.py"
    for seed in range(FIRST_SEED, FIRST_SEED + seeds):
        folder = rows / f"{model}-{seed}"
        write_configuration(rows, folder, model, seed)
        command = [str(environment.python), str(script), "--config", str(folder)]
        began = time.perf_counter()
        printed, failure = run([*command, "--expid", model], RUN_SECONDS)
        log = "".join(path.read_text() for path in folder.rglob("*.log"))
        found = AUC.findall(log or printed)
        if failure or len(found) < len(("valid", "test")):
            raise SystemExit(
                f"{model}, seed {seed}: {failure or 'its log has no AUC of both splits'}"
            )
        valid, test = map(float, found[-2:])
        yield Trained(model, seed, valid, test, time.perf_counter() - began)


def write_configuration(rows: Path, folder: Path, model: str, seed: int) -> None:
    """Write the two files that `run_expid.py` reads; JSON is YAML."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.rglob("*.log"):
        old.unlink()
    columns = [{"name": list(FIELDS), "active": True, "dtype": "str", "type": "categorical"}]
    dataset = {
        "data_root": f"{folder}/",
        "data_format": "csv",
        **{f"{split}_data": f"{rows / split}.csv" for split in SPLITS},
        "min_categr_count": 1,
        "feature_cols": columns,
        "label_col": {"name": LABEL, "dtype": "float"},
    }
    settings = {**COMMON, **SETTINGS[model], "model": model, "dataset_id": "frappe", "seed": seed}
    settings["model_root"] = f"{folder}/checkpoints/"
    for name, content in (
        ("dataset_config", {"frappe": dataset}),
        ("model_config", {model: settings}),
    ):
        (folder / f"{name}.yaml").write_text(json.dumps(content), encoding="utf-8")


if __name__ == "__main__":
    main()
