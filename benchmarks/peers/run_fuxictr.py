"""Train multi-task models with FuxiCTR's trainer and loader; print a JSON line per model.

Runs in an environment that has fuxictr, and not our package. The package on PyPI has the trainer
(MultiTaskModel), the loaders and the layers, but not the multi-task models, which lie in its
repository only: they are written here from its layers, on the plan that all three share. They know
no scenarios, so the scenario is one more categorical field, and gates and towers are per task: two
towers where ours has twelve, though a row passes through as many. Numerics enter as one number each
(`embedding_dim: 1` of the feature; by default they would be 16 wide). No worker process loads rows
(`num_workers=0`; by default one does), since a contestant has one core. PLE is one level of two
shared experts and one per task. Its trainer clips gradients at norm 10.
Shape legend: B rows, D width of x, K experts of a task, H width of an expert.
"""

import json
import tempfile
from collections import OrderedDict
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
from fuxictr.features import FeatureMap
from fuxictr.pytorch.dataloaders import RankDataLoader
from fuxictr.pytorch.layers import FeatureEmbedding, MLP_Block
from fuxictr.pytorch.models import MultiTaskModel
from torch import Tensor, nn

LABELS = ["click", "order"]
EXPERTS = {  # which experts the gate of each task mixes
    "Shared Bottom": ((0,), (0,)),
    "MMoE": (tuple(range(NUM_EXPERTS)),) * len(LABELS),
    "PLE": ((0, 1, 2), (0, 1, 3)),
}


class Mixture(MultiTaskModel):
    """Experts mixed by a gate per task, and towers; a task with one expert has no gate."""

    def __init__(self, name: str, features: FeatureMap, folder: str) -> None:
        tasks = ["binary_classification"] * len(LABELS)
        super().__init__(
            features,
            name,
            tasks,
            len(LABELS),
            verbose=0,
            model_root=folder,
            metrics=["AUC"],
            monitor="AUC",
        )
        self.experts_of_task = EXPERTS[name]
        num_experts = 1 + max(expert for experts in self.experts_of_task for expert in experts)
        width = features.sum_emb_out_dim()
        self.embedding = FeatureEmbedding(features, EMBEDDING)
        self.experts = nn.ModuleList(
            MLP_Block(width, hidden_units=HIDDEN) for _ in range(num_experts)
        )
        self.gates = nn.ModuleList(
            MLP_Block(width, output_dim=len(experts), output_activation="softmax", use_bias=False)
            for experts in self.experts_of_task
            if len(experts) > 1
        )
        self.towers = nn.ModuleList(
            MLP_Block(HIDDEN[-1], hidden_units=TOWER, output_dim=1) for _ in LABELS
        )
        self.compile("adam", "binary_crossentropy", 1e-3)
        self.reset_parameters()

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        x_BD = self.embedding(self.get_inputs(inputs), flatten_emb=True)
        outputs = [expert(x_BD) for expert in self.experts]
        return {
            f"{label}_pred": activation(tower(mixed_BH))
            for label, activation, tower, mixed_BH in zip(
                LABELS, self.output_activation, self.towers, self._mixed(x_BD, outputs), strict=True
            )
        }

    def _mixed(self, x_BD: Tensor, outputs: list[Tensor]) -> list[Tensor]:
        if not len(self.gates):
            return [outputs[expert] for (expert,) in self.experts_of_task]
        stacks = {
            experts: torch.stack([outputs[expert] for expert in experts], dim=1)
            for experts in set(self.experts_of_task)
        }
        return [
            (gate(x_BD).unsqueeze(-1) * stacks[experts]).sum(dim=1)
            for gate, experts in zip(self.gates, self.experts_of_task, strict=True)
        ]


def main() -> None:
    asked = options(__doc__, tuple(EXPERTS))
    with tempfile.TemporaryDirectory(prefix="bench-fuxictr-") as folder:
        features, training, everything = read(asked.work, folder)
        steps = steps_to_time(asked.rows, training.num_samples)
        for name in asked.models:
            torch.manual_seed(0)
            model = Mixture(name, features, folder)
            fit = partial(model.fit, training, epochs=1, validation_data=everything)
            seconds = seconds_of_training(model.optimizer, fit, steps)
            evaluation = None
            if asked.evaluate and name == "MMoE":  # predictions of all rows and an AUC per task
                evaluation = everything.num_samples / seconds_of(
                    partial(model.evaluate, everything)
                )
            print_figure("fuxictr", name, steps, seconds, evaluation)


def read(work: Path, folder: str) -> tuple[FeatureMap, RankDataLoader, RankDataLoader]:
    """Return FuxiCTR's feature map and its loaders of all npz rows, shuffled and in order."""
    about = json.loads((work / "about.json").read_text())
    ids_RF, numeric_RN, labels_RT = (
        np.load(work / f"{name}.npy") for name in ("ids", "numeric", "labels")
    )
    columns = {"scenario": np.load(work / "scenario.npy")}
    columns |= {f"field_{f}": ids_R for f, ids_R in enumerate(ids_RF.T)}
    sizes = [about["num_scenarios"], *about["vocabulary_sizes"]]
    features = FeatureMap("work", folder)
    features.labels, features.default_emb_dim = LABELS, EMBEDDING
    features.features = OrderedDict(
        (name, {"type": "categorical", "source": "", "vocab_size": size})
        for name, size in zip(columns, sizes, strict=True)
    )
    for n, values_R in enumerate(numeric_RN.T):
        columns[f"numeric_{n}"] = values_R
        features.features[f"numeric_{n}"] = {"type": "numeric", "source": "", "embedding_dim": 1}
    features.num_fields = features.get_num_fields()
    features.set_column_index()
    file = str(Path(folder) / "work.npz")
    np.savez(file, **columns, **dict(zip(LABELS, labels_RT.T, strict=True)))
    training, everything = RankDataLoader(
        features,
        stage="train",
        train_data=file,
        valid_data=file,
        batch_size=BATCH_SIZE,
        shuffle=True,
        num_workers=0,
    )
    return features, training, everything


if __name__ == "__main__":
    main()
