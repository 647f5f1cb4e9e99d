"""Train the models of DeepCTR-Torch with its own fit and loader; print a JSON line per model.

Runs in an environment that has deepctr-torch, and not our package. Its models know no scenarios, so
the scenario is one more categorical field, and gates and towers are per task: two towers where ours
has twelve, though a row passes through as many. Its L2 penalty on embeddings is set to zero, since
no other peer has one; `fit` is silent, so that it computes no metric per batch. PLE is one level of
two shared experts and one per task. Release 0.3.0 makes as many shared experts as specific ones,
whatever it is asked for, and then fails in `forward`: the missing one is appended here.
"""

import json
import sys
from functools import partial
from pathlib import Path
from types import ModuleType

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

# On import, the package looks for newer releases in a thread, with `requests`, which it does not
# declare. An empty module in its place ends that thread at once: no request, and nothing runs
# beside the clock.
sys.modules["requests"] = ModuleType("requests")

from deepctr_torch.inputs import DenseFeat, SparseFeat  # noqa: E402
from deepctr_torch.layers import DNN  # noqa: E402
from deepctr_torch.models import MMOE, PLE, SharedBottom  # noqa: E402
from deepctr_torch.models.basemodel import BaseModel  # noqa: E402

NUM_SHARED = 2  # of PLE; each task has one more
MODELS = ("Shared Bottom", "MMoE", "PLE")
LOSSES = ["binary_crossentropy", "binary_crossentropy"]


def main() -> None:
    asked = options(__doc__, MODELS)
    columns, labels_RT, features = read(asked.work)
    steps = steps_to_time(asked.rows, len(labels_RT))
    for name in asked.models:
        model = build(name, features)
        model.compile(torch.optim.Adam(model.parameters(), lr=1e-3), LOSSES, metrics=["auc"])
        fit = partial(model.fit, columns, labels_RT, batch_size=BATCH_SIZE, epochs=1, verbose=0)
        seconds = seconds_of_training(model.optim, fit, steps)
        evaluation = None
        if asked.evaluate and name == "MMoE":  # one AUC of both tasks together, as it has them
            evaluation = len(labels_RT) / seconds_of(
                partial(model.evaluate, columns, labels_RT, batch_size=BATCH_SIZE)
            )
        print_figure("deepctr-torch", name, steps, seconds, evaluation)


def read(folder: Path) -> tuple[dict[str, np.ndarray], np.ndarray, list[SparseFeat | DenseFeat]]:
    """Columns by name, labels, and what DeepCTR-Torch must know of the columns."""
    about = json.loads((folder / "about.json").read_text())
    ids_RF, numeric_RN = np.load(folder / "ids.npy"), np.load(folder / "numeric.npy")
    columns = {"scenario": np.load(folder / "scenario.npy").astype(np.int32)}
    columns |= {f"field_{f}": np.ascontiguousarray(ids_R) for f, ids_R in enumerate(ids_RF.T)}
    columns |= {
        f"numeric_{n}": np.ascontiguousarray(values_R) for n, values_R in enumerate(numeric_RN.T)
    }
    sizes = [about["num_scenarios"], *about["vocabulary_sizes"]]
    features = [
        SparseFeat(name, size, embedding_dim=EMBEDDING)
        for name, size in zip(columns, sizes, strict=False)
    ]
    features += [DenseFeat(name) for name in list(columns)[len(sizes) :]]
    return columns, np.load(folder / "labels.npy"), features


def build(name: str, features: list[SparseFeat | DenseFeat]) -> BaseModel:
    """A model of the sizes that all contestants have."""
    common = {
        "tower_dnn_hidden_units": TOWER,
        "l2_reg_linear": 0,
        "l2_reg_embedding": 0,
        "dnn_dropout": 0,
        "seed": 0,
    }
    if name == "Shared Bottom":
        return SharedBottom(features, bottom_dnn_hidden_units=HIDDEN, **common)
    common |= {"expert_dnn_hidden_units": HIDDEN, "gate_dnn_hidden_units": ()}
    if name == "MMoE":
        return MMOE(features, num_experts=NUM_EXPERTS, **common)
    model = PLE(
        features, shared_expert_num=NUM_SHARED, specific_expert_num=1, num_levels=1, **common
    )
    shared = model.shared_experts[0][0]
    while len(shared) < NUM_SHARED:
        shared.append(DNN(model.input_dim, HIDDEN, seed=0))
    return model


if __name__ == "__main__":
    main()
