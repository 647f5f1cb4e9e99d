"""Teaching: a student learns from a teacher's scores of the training rows beside their labels.

The loss of a step is (1 - w) L(z, y) + w T^2 C(z / T, m(t / T)) with logits z, labels y, teacher's
logits t, the loss L of the labels (`train.loss`), the cross entropy C of loss.py, the expected
label m of a score (a sigmoid; of amounts exp), the weight w (`train.teacher_weight`) and the
temperature T (`train.teacher_temperature`): Hinton, Vinyals and Dean, Distilling the Knowledge in a
Neural Network, 2015, section 2, for each task. T^2 keeps the size of the gradient.
The scores of validation are stored too: a refit (jobs/refit.py) learns from both.
Shape legend: R rows of a split, B rows of a batch, T tasks, M scenarios, H heads as in loss.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from hinet_search.common.errors import DataError
from hinet_search.data.columns import Columns
from hinet_search.data.schema import Schema
from hinet_search.models.layers.batch import to_device
from hinet_search.training.loss import (
    cell_weights,
    expected_labels,
    label_weights,
    own_scenario_loss,
    row_weight_scale,
)
from hinet_search.training.losses import LabelledRows, Loss, loss_named
from hinet_search.training.losses.cross_entropy import LOSS as CROSS_ENTROPY
from hinet_search.training.tensors import read_tensors, save_tensors
from hinet_search.training.train_config import TrainConfig

Learned = Literal["train", "valid"]  # the splits that a student can learn from
LAUNCH_AGAIN = "launch the study again: it makes the teacher's scores again if they are removed"


@dataclass(frozen=True)
class StepLoss:
    """The loss of a training step; without a teacher the loss of the labels alone.

    With `weight_MT`, labels and teacher of a row count what its scenario and task do, 0 where it
    lacks the task; without it all count alike. With `row_weight_scale`, they also count the row's
    weight in `split`, times this scale. `is_amount_T` says which labels are amounts; without it
    none is. These tensors are on the device of the model. `split` are the training rows, of which
    weights, and what a loss of pairs reads, are on the host.
    """

    teacher_RT: Float[Tensor, "R T"] | None = None  # float16
    weight: float = 0.0  # of the teacher
    temperature: float = 1.0
    ranking_weight: float = 0.0
    weight_MT: Float[Tensor, "M T"] | None = None
    is_amount_T: Bool[Tensor, "T"] | None = None
    of_labels: Loss = CROSS_ENTROPY
    split: Columns | None = None
    row_weight_scale: float | None = None

    @property
    def reads_host(self) -> bool:
        """Whether a step reads columns of the split on the host."""
        return self.row_weight_scale is not None or self.of_labels.of_pairs

    def __call__(
        self,
        logits_BH: Float[Tensor, "B H"],
        labels_BT: Float[Tensor, "B T"],
        rows_B: Int[Tensor, "B"],
        scenario_B: Int[Tensor, "B"],
    ) -> Float[Tensor, ""]:
        """Return the loss of training rows.

        `rows_B` is on the host; unless it `reads_host`, it may be on the device.
        """
        num_heads = logits_BH.shape[1]
        weight_BH = None
        if self.weight_MT is not None:
            weight_BH = label_weights(self.weight_MT, scenario_B, num_heads)
        num_scenarios = num_heads // labels_BT.shape[1]
        labels_BH = _of_heads(labels_BT, num_scenarios)
        is_amount_H = None if self.is_amount_T is None else self.is_amount_T.repeat(num_scenarios)
        row_weight_B = self._row_weights(rows_B, logits_BH.device)
        rows = LabelledRows(labels_BH, weight_BH, is_amount_H, rows_B, self.split, row_weight_B)
        loss = self.of_labels.of_batch(logits_BH, rows, self.ranking_weight)
        if self.teacher_RT is None:
            return loss
        weight = self.weight
        temperature = self.temperature
        rows_B = to_device(rows_B, self.teacher_RT.device)
        teacher_BT = self.teacher_RT.index_select(0, rows_B).float()
        targets_BT = expected_labels(teacher_BT / temperature, self.is_amount_T)
        targets_BH = _of_heads(targets_BT, num_scenarios)
        softened_BH = logits_BH / temperature
        distilled = own_scenario_loss(softened_BH, targets_BH, weight_BH, is_amount_H, row_weight_B)
        return (1 - weight) * loss + weight * temperature**2 * distilled

    def _row_weights(
        self, rows_B: Int[Tensor, "B"], device: torch.device
    ) -> Float[Tensor, "B"] | None:
        """Return what rows count, None if all count alike; read on the host, which maps them."""
        if self.row_weight_scale is None:
            return None
        assert self.split is not None, "a training gives the rows that it trains on"
        assert self.split.weight_R is not None, "only weights have a scale"
        weight_B = self.split.weight_R[rows_B.numpy()] * np.float32(self.row_weight_scale)
        return to_device(torch.from_numpy(weight_B), device)


def _of_heads(labels_BT: Float[Tensor, "B T"], num_scenarios: int) -> Float[Tensor, "B H"]:
    if num_scenarios == 1:
        return labels_BT
    return labels_BT.repeat(1, num_scenarios)


def step_loss(
    config: TrainConfig,
    schema: Schema,
    rows: Columns,
    teacher_RT: NDArray[np.float16] | None,
    device: torch.device,
) -> StepLoss:
    """Return the loss of a training on these rows, on a device."""
    weight_MT = cell_weights(config, schema)
    scale = None
    if rows.weight_R is not None:
        scale = row_weight_scale(rows, schema.num_scenarios, weight_MT)
    return StepLoss(
        teacher_RT=_on(device, teacher_RT),
        weight=config.teacher_weight,
        temperature=config.teacher_temperature,
        ranking_weight=config.ranking_weight,
        weight_MT=_on(device, weight_MT),
        is_amount_T=_on(device, schema.is_amount if schema.amount_units else None),
        of_labels=loss_named(config.loss),
        split=rows,
        row_weight_scale=scale,
    )


def _on(device: torch.device, array: NDArray[np.generic] | None) -> Tensor | None:
    if array is None:
        return None
    return torch.from_numpy(array).to(device)


def save_teacher(logits: Mapping[Learned, NDArray[np.float32]], path: Path) -> None:
    """Store a teacher's logits (R, T) of each split as float16 (three digits, 2 bytes each)."""
    limit = float(np.finfo(np.float16).max)
    tensors = {}
    for split, logits_RT in logits.items():
        halved_RT = np.clip(logits_RT, -limit, limit).astype(np.float16)
        tensors[f"{split}_logits"] = torch.from_numpy(halved_RT)
    save_tensors(tensors, path)


def read_teacher(
    path: Path, shape: tuple[int, ...], split: Learned = "train"
) -> NDArray[np.float16]:
    """Read a teacher's logits of a split; `shape` is (rows, tasks).

    Errors: DataError if the file is missing, damaged, or of other rows.
    """
    name = f"{split}_logits"
    logits = read_tensors(path, LAUNCH_AGAIN).get(name)
    if logits is None or logits.dtype != torch.float16 or logits.shape != shape:
        got = "none" if logits is None else f"{list(logits.shape)} of {logits.dtype}"
        raise DataError(
            f"{path}: must hold {list(shape)} {name} in float16, got {got}", remedy=LAUNCH_AGAIN
        )
    logits_RT: NDArray[np.float16] = logits.numpy()
    return logits_RT
