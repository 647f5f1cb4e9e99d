"""Weights: embeddings of graphs in fewer bytes, and what that costs on validation.

The table of the embeddings is most of a model. Its vectors are looked up narrow and widened to
float32 at once, so every product is of float32.

| kind | a vector of E numbers | bytes |
|---|---|---|
| fp16 | half precision: 11 bits, numbers to 65,504 | 2 E |
| int8 | whole numbers to 127 times the vector's own scale | E + 4 |

Shape legend: V rows of the table, E embedding width, R rows, T tasks.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from hinet_search.common.errors import ConfigurationError
from hinet_search.data.columns import Columns
from hinet_search.models.layers.embedding import FeatureEmbedding
from hinet_search.results.records import CellValue
from hinet_search.serving.choice import Weights
from hinet_search.serving.model_folder import ExportedMember, ExportedModel, average
from hinet_search.serving.predict import predictions
from hinet_search.training.metrics import cell_values

LARGEST_BYTE = 127


@dataclass(frozen=True)
class CellCost:
    """AUC of a cell on validation with weights of float32, and with narrow ones."""

    scenario: str
    task: str
    auc_fp32: float
    auc: float


@dataclass(frozen=True)
class WeightsCost:
    """What narrow embeddings save and cost.

    `difference` is the largest of a prediction on `rows` of validation, see `Inputs.differences`.
    `cells` are those that have an AUC.
    """

    weights: Weights
    num_bytes_fp32: int
    num_bytes: int
    rows: int
    difference: float
    cells: tuple[CellCost, ...]


class NarrowTable(nn.Module):
    """The vectors of a table, in few bytes, times a scale for each if they are whole numbers."""

    narrow_VE: Tensor
    scale_V1: Tensor | None

    def __init__(self, narrow_VE: Tensor, scale_V1: Float[Tensor, "V 1"] | None) -> None:
        super().__init__()
        self.register_buffer("narrow_VE", narrow_VE)
        self.register_buffer("scale_V1", scale_V1)

    @property
    def num_bytes(self) -> int:
        """The bytes of vectors and scales."""
        return sum(buffer.nbytes for buffer in self.buffers())

    def forward(self, rows_BF: Int[Tensor, "B F"]) -> Float[Tensor, "B F E"]:
        """Return the vectors of the fields' row numbers."""
        return self.look_up(rows_BF)

    def look_up(self, rows: Int[Tensor, "*rows"]) -> Float[Tensor, "*rows E"]:
        """Return the vectors of rows of any shape."""
        vectors = _rows_of(self.narrow_VE, rows).float()
        return vectors if self.scale_V1 is None else vectors * _rows_of(self.scale_V1, rows)


def _rows_of(table_VE: Shaped[Tensor, "V E"], rows: Int[Tensor, "*rows"]) -> Tensor:
    return table_VE.index_select(0, rows.flatten()).view(*rows.shape, table_VE.shape[1])


def narrowed(exported: ExportedModel, weights: Weights) -> ExportedModel:
    """Return a copy of the model with narrow embeddings; float32 ones as they are.

    ConfigurationError if a number is too large for fp16.
    """
    if weights == "fp32":
        return exported
    members = copy.deepcopy(exported.members)
    for embedding in _embeddings(members):
        table_VE = embedding.table.weight.detach()
        embedding.add_module("table", _narrow(table_VE, weights))
    return replace(exported, members=members)


def cost_of(
    exported: ExportedModel, narrow: ExportedModel, weights: Weights, valid: Columns
) -> WeightsCost:
    """Compare a model with its narrowed copy on encoded rows of validation.

    Errors: NonFiniteScores if a row has no finite score.
    """
    inputs = exported.file.inputs
    difference_RT = inputs.differences(predictions(narrow, valid), predictions(exported, valid))
    difference_RT[~inputs.has_task[valid.scenario_R]] = 0.0
    cells = [
        CellCost(before.scenario, before.task, before.auc, after.auc)
        for before, after in zip(_cells(exported, valid), _cells(narrow, valid), strict=True)
        if before.auc is not None and after.auc is not None
    ]
    tables = [embedding.table for embedding in _embeddings(narrow.members)]
    return WeightsCost(
        weights=weights,
        num_bytes_fp32=sum(each.table.weight.nbytes for each in _embeddings(exported.members)),
        num_bytes=sum(table.num_bytes for table in tables if isinstance(table, NarrowTable)),
        rows=valid.num_rows,
        difference=float(difference_RT.max(initial=0.0)),
        cells=tuple(cells),
    )


def _embeddings(members: tuple[ExportedMember, ...]) -> Iterator[FeatureEmbedding]:
    """Yield the embeddings of all networks; trees have none."""
    for member in members:
        model = member.model.model
        if isinstance(model, nn.Module):
            yield from (part for part in model.modules() if isinstance(part, FeatureEmbedding))


def _narrow(table_VE: Float[Tensor, "V E"], weights: Weights) -> NarrowTable:
    if weights == "fp16":
        largest = float(table_VE.abs().max())
        if largest > torch.finfo(torch.float16).max:
            raise ConfigurationError(
                f"--weights fp16: embeddings must be at most 65,504, got {largest:,.0f}",
                remedy="--weights int8, which has a scale for every vector",
            )
        return NarrowTable(table_VE.half(), None)
    scale_V1 = table_VE.abs().amax(dim=1, keepdim=True) / LARGEST_BYTE
    divisor_V1 = torch.where(scale_V1 > 0, scale_V1, 1.0)  # a vector of zeros stays one
    return NarrowTable((table_VE / divisor_V1).round().to(torch.int8), scale_V1)


def _cells(exported: ExportedModel, valid: Columns) -> tuple[CellValue, ...]:
    logits_RT = average(exported.members, exported.file, valid)
    return cell_values(logits_RT, valid, exported.file.inputs.cells)
