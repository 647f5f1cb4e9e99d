"""Small models and a recording watcher for tests of training on the separable data set."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from hinet_search.data.columns import Dataset
from hinet_search.data.schema import Schema
from hinet_search.models.layers.batch import Batch
from hinet_search.models.layers.embedding import FeatureEmbedding
from hinet_search.results.objectives import objective_named
from hinet_search.results.records import EvaluationRecord
from hinet_search.training.fit import fit
from hinet_search.training.run_state import Conditions, FitResult
from hinet_search.training.seeding import seeded_model
from hinet_search.training.train_config import TrainConfig
from tests.training.datasets import separable

CPU = torch.device("cpu")
DATA = separable()  # 320 training rows: 10 steps of 32 rows an epoch
TRUTH_RT = torch.from_numpy(DATA.valid.labels_RT.astype(np.float32))
NUMBER_OF_ROW = {value: row for row, value in enumerate(DATA.valid.numeric_RN[:, 0].tolist())}


class Linear(nn.Module):
    """Embedding, dropout, and a linear head per (scenario, task); calls `see` with every batch."""

    def __init__(
        self, schema: Schema, dropout: float = 0.0, see: Callable[[Batch], None] | None = None
    ) -> None:
        super().__init__()
        self.embedding = FeatureEmbedding(schema, 3)
        self.dropout = nn.Dropout(dropout)
        self.heads = nn.ModuleList(
            nn.Linear(self.embedding.width, schema.num_tasks) for _ in schema.scenarios
        )
        self.see = see

    def forward(self, batch: Batch) -> Tensor:
        if self.see is not None:
            self.see(batch)
        x_BD = self.dropout(self.embedding(batch))
        all_SBT = torch.stack([head(x_BD) for head in self.heads])
        return all_SBT[batch.scenario_B, torch.arange(len(batch))]


class Scripted(nn.Module):
    """Gives validation rows, in stored order, scripted scores, one entry per evaluation.

    `mark` counts training steps.
    """

    def __init__(self, scripts: list[Tensor]) -> None:
        super().__init__()
        self.scripts = iter(scripts)
        self.weight = nn.Parameter(torch.zeros(()))
        self.register_buffer("mark", torch.zeros((), dtype=torch.int64))

    def forward(self, batch: Batch) -> Tensor:
        if self.training:
            self.mark += 1
            return self.weight * batch.numeric_BN[:, :1].expand(-1, 2)
        return of_rows(next(self.scripts), batch)


def of_rows(scores_RT: Tensor, batch: Batch) -> Tensor:
    """Return the scores of these validation rows, known by their first numeric input."""
    return scores_RT[[NUMBER_OF_ROW[value] for value in batch.numeric_BN[:, 0].tolist()]]


@dataclass
class Watch:
    """Records evaluations; asks to stop from the question after `stop_after` ones."""

    stop_after: int | None = None
    asked: int = 0
    records: list[EvaluationRecord] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def notice(self, text: str) -> None:
        self.notices.append(text)

    def on_evaluation(self, record: EvaluationRecord) -> None:
        self.records.append(record)

    def should_stop(self) -> bool:
        self.asked += 1
        return self.stop_after is not None and self.asked > self.stop_after


def linear(data: Dataset, seed: int = 0, dropout: float = 0.0) -> Linear:
    return seeded_model(lambda: Linear(data.full_schema, dropout), seed)


def fit_on(
    data: Dataset,
    model: nn.Module,
    *,
    seed: int = 0,
    objective: str = "macro_auc",
    watch: Watch | None = None,
    **train: object,
) -> FitResult:
    """Fit on the CPU; `train` are fields of TrainConfig."""
    config = TrainConfig.model_validate({"batch_size": 32, "patience": 0, **train})
    conditions = Conditions(
        dataset=data,
        schema=data.full_schema,
        config=config,
        seed=seed,
        objective=objective_named(objective),
        device=CPU,
    )
    return fit(model, conditions, watch or Watch())


def weights_hash(model: nn.Module) -> str:
    """Return the SHA-256 over names and bytes of all weights and buffers."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        flat = tensor.detach().cpu().contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def scores(quality: float) -> Tensor:
    """Return validation scores whose AUC grows with `quality` from 0 (noise) to 1 (the truth)."""
    noise_RT = torch.rand(TRUTH_RT.shape, generator=torch.Generator().manual_seed(0))
    return quality * TRUTH_RT + noise_RT


def scripted(*qualities: float) -> Scripted:
    return Scripted([scores(quality) for quality in qualities])
