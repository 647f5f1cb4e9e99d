"""Train the models of torch-rechub with its trainer and loader; print a JSON line per model.

Runs in an environment that has torch-rechub, and not our package. Its models know no scenarios, so
the scenario is one more categorical field, and gates and towers are per task: two towers where ours
has twelve, though a row passes through as many. Every layer of its MLP has a batch norm that cannot
be turned off. Columns are numpy arrays, as in its examples; its loader reads them row by row. PLE
is one level of two shared experts and one per task.
"""

import json
from functools import partial
from pathlib import Path

import numpy as np
import torch
from clock import (
    BATCH_SIZE,
    EMBEDDING,
    HIDDEN,
    NUM_EXPERTS,
    TOWER,
    options,
    print_figure,
    seconds_of,
    seconds_of_training,
    steps_to_time,
)
from torch import nn
from torch_rechub.basic.features import DenseFeature, SparseFeature
from torch_rechub.models.multi_task import MMOE, PLE, SharedBottom
from torch_rechub.trainers import MTLTrainer
from torch_rechub.utils.data import DataGenerator

MODELS = ("Shared Bottom", "MMoE", "PLE")
TASK_TYPES = ["classification", "classification"]


def main() -> None:
    asked = options(__doc__, MODELS)
    columns, labels_RT, features = read(asked.work)
    steps = steps_to_time(asked.rows, len(labels_RT))
    for name in asked.models:
        trainer = MTLTrainer(
            build(name, features), TASK_TYPES, optimizer_params={"lr": 1e-3}, n_epoch=1
        )
        training, everything, _ = DataGenerator(columns, labels_RT).generate_dataloader(
            columns, labels_RT, columns, labels_RT, batch_size=BATCH_SIZE
        )
        seconds = seconds_of_training(
            trainer.optimizer, partial(trainer.fit, training, everything), steps
        )
        evaluation = None
        if asked.evaluate and name == "MMoE":  # predictions of all rows and an AUC per task
            evaluation = len(labels_RT) / seconds_of(
                partial(trainer.evaluate, trainer.model, everything)
            )
        print_figure("torch-rechub", name, steps, seconds, evaluation)


def read(
    folder: Path,
) -> tuple[dict[str, np.ndarray], np.ndarray, list[SparseFeature | DenseFeature]]:
    """Columns by name, labels, and what torch-rechub must know of the columns."""
    about = json.loads((folder / "about.json").read_text())
    ids_RF, numeric_RN = np.load(folder / "ids.npy"), np.load(folder / "numeric.npy")
    columns = {"scenario": np.load(folder / "scenario.npy").astype(np.int64)}
    columns |= {
        f"field_{f}": np.ascontiguousarray(ids_R, dtype=np.int64)
        for f, ids_R in enumerate(ids_RF.T)
    }
    columns |= {
        f"numeric_{n}": np.ascontiguousarray(values_R) for n, values_R in enumerate(numeric_RN.T)
    }
    sizes = [about["num_scenarios"], *about["vocabulary_sizes"]]
    features = [
        SparseFeature(name, size, EMBEDDING) for name, size in zip(columns, sizes, strict=False)
    ]
    features += [DenseFeature(name) for name in list(columns)[len(sizes) :]]
    return columns, np.load(folder / "labels.npy"), features


def build(name: str, features: list[SparseFeature | DenseFeature]) -> nn.Module:
    """A model of the sizes that all contestants have."""
    torch.manual_seed(0)
    hidden, towers = (
        {"dims": HIDDEN, "dropout": 0},
        [{"dims": TOWER, "dropout": 0} for _ in TASK_TYPES],
    )
    if name == "Shared Bottom":
        return SharedBottom(features, TASK_TYPES, hidden, towers)
    if name == "MMoE":
        return MMOE(features, TASK_TYPES, NUM_EXPERTS, hidden, towers)
    return PLE(features, TASK_TYPES, 1, 1, 2, hidden, towers)


if __name__ == "__main__":
    main()
