"""Train Scenario-Wise-Rec's HAMUR with its own trainer on rows from npz files; print a JSON line.

Runs in an environment that has what its clone needs, and not our package. The settings are those of
its scripts/run_movielens_rank_multi_domain.py; passes are bounded by its early stopping. Batches
are cut from arrays: its loader reads one row at a time from pandas, which takes most of a pass.
Shape legend: B rows.
"""

import argparse
import importlib
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

BATCH_SIZE = 4096
MOST_PASSES = 100
EMBEDDING = 16


class Batches:
    """The batches of one split, in a new order at each pass where `shuffle` says so."""

    def __init__(self, inputs: dict[str, Tensor], labels_B: Tensor, *, shuffle: bool) -> None:
        self.inputs, self.labels_B, self.shuffle = inputs, labels_B, shuffle
        self.passes = 0

    def __len__(self) -> int:
        return ceil(len(self.labels_B) / BATCH_SIZE)

    def __iter__(self) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
        self.passes += 1
        num_rows = len(self.labels_B)
        order_B = torch.randperm(num_rows) if self.shuffle else torch.arange(num_rows)
        for rows_B in torch.split(order_B, BATCH_SIZE):
            batch = {name: values_B[rows_B] for name, values_B in self.inputs.items()}
            yield batch, self.labels_B[rows_B]


def main() -> None:
    """Train once and score test with the weights that were best on validation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clone", type=Path)
    parser.add_argument("rows", type=Path)
    parser.add_argument("--seed", type=int, required=True)
    asked = parser.parse_args()
    sys.path.insert(0, str(asked.clone))
    about = json.loads((asked.rows / "about.json").read_text())
    splits = {
        name: batches(asked.rows / f"{name}.npz", about, shuffle=name == "train")
        for name in ("train", "valid", "test")
    }
    num_domains = int(splits["train"].inputs["domain_indicator"].max()) + 1
    torch.manual_seed(asked.seed)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        trainer = trainer_of(about, num_domains, folder)
        trainer.fit(splits["train"], splits["valid"])
    _, domains, _, test = trainer.evaluate_multi_domain_loss(
        trainer.model, splits["test"], num_domains
    )
    figure = {
        "seed": asked.seed,
        "valid": float(trainer.early_stopper.best_auc),
        "test": float(test),
        "domains": [float(auc) for auc in domains],
        "passes": splits["train"].passes,
        "seconds": time.perf_counter() - began,
    }
    print(json.dumps(figure))


def batches(file: Path, about: dict[str, Any], *, shuffle: bool) -> Batches:
    """The inputs by the names that its models look up."""
    arrays = np.load(file)
    inputs = {
        name: torch.from_numpy(arrays["ids"][:, i]).long() for i, name in enumerate(about["ids"])
    }
    for i, name in enumerate(about["numbers"]):
        number_B = torch.from_numpy(arrays["numbers"][:, i])
        low, high = number_B.min(), number_B.max()
        inputs[name] = (number_B - low) / (high - low)
    inputs["domain_indicator"] = torch.from_numpy(arrays["domain"]).long()
    return Batches(inputs, torch.from_numpy(arrays["label"]).float(), shuffle=shuffle)


def trainer_of(about: dict[str, Any], num_domains: int, folder: str) -> Any:
    """Its trainer with its HAMUR, both as its script makes them."""
    features = importlib.import_module("scenario_wise_rec.basic.features")
    models = importlib.import_module("scenario_wise_rec.models.multi_domain")
    trainers = importlib.import_module("scenario_wise_rec.trainers")
    dense = [features.DenseFeature(name) for name in about["numbers"]]
    sparse = [
        features.SparseFeature(name, vocab_size=size, embed_dim=EMBEDDING)
        for name, size in zip(about["ids"], about["sizes"], strict=True)
    ]
    model = models.HamurSmall(
        dense + sparse, domain_num=num_domains, fcn_dims=[256, 128], hyper_dims=[64], k=35
    )
    return trainers.CTRTrainer(
        model,
        "Movielens",
        optimizer_params={"lr": 1e-3, "weight_decay": 1e-5},
        n_epoch=MOST_PASSES,
        earlystop_patience=4,
        device="cpu",
        model_path=folder,
        scheduler_params={"step_size": 2, "gamma": 0.85},
    )


if __name__ == "__main__":
    main()
