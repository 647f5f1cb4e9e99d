"""Trainable: a built model with how it is trained, scored and measured, be it a network or one that grows in stages.

The one place that tells the two kinds apart; who runs jobs asks for neither.
Shape legend: R rows, T tasks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from hinet_search.data.columns import Columns
from hinet_search.insight import Insight
from hinet_search.nn.contracts import Explains
from hinet_search.nn.measure import count_parameters, flops_per_row, milliseconds
from hinet_search.nn.outline import draw, outline, parts
from hinet_search.nn.similarity import expert_similarities
from hinet_search.schema import Schema
from hinet_search.training.checkpoint import Checkpoints
from hinet_search.training.course import Conditions, Watcher
from hinet_search.training.feed import make_feed
from hinet_search.training.predict import predict
from hinet_search.training.staged import CPU, Staged, fit_staged
from hinet_search.training.together import Outcome, fit_together

INSIGHT_ROWS = 8192
SIMILARITY_ROWS = 2048  # experts are told apart by fewer, and comparing each with each is slow
CANDIDATES = 100  # that a request ranks

BuiltModel = nn.Module | Staged


@dataclass(frozen=True)
class Network:
    """A torch module, trained by gradients on `device`."""

    model: nn.Module
    schema: Schema
    device: torch.device

    def scores(self, columns: Columns) -> NDArray[np.float32]:
        """Logits (R, T)."""
        return predict(self.model.to(self.device), make_feed(columns, self.device))

    def num_parameters(self) -> tuple[int, int]:
        """Numbers of parameters: (all, without feature embeddings)."""
        return count_parameters(self.model)

    def flops_per_row(self) -> int:
        """FLOPs of one forward row."""
        return flops_per_row(self.model, self.schema)

    def insight(self, columns: Columns) -> Insight:
        """What the model shows of itself on some rows, evenly spaced."""
        feed = make_feed(columns, self.device)
        rows = torch.linspace(0, len(feed) - 1, min(INSIGHT_ROWS, len(feed))).long()
        batch, few = feed.select(rows)[0], feed.select(rows[:: max(1, len(rows) // SIMILARITY_ROWS)])[0]
        shown = self.model.insight(batch) if isinstance(self.model, Explains) else Insight()
        drawn = parts(outline(self.model, self.schema))
        return replace(shown, similarities=expert_similarities(self.model, few), parts=drawn)

    def milliseconds_per_100(self, columns: Columns) -> float:
        """Median time to score the first rows as one request, from columns to logits."""
        feed = make_feed(columns.head(CANDIDATES), self.device)
        return milliseconds(lambda: predict(self.model, feed))

    def describe(self) -> str:
        """Its outline."""
        return draw(outline(self.model, self.schema))


@dataclass(frozen=True)
class Growing:
    """A staged model, grown on the CPU. It has no embeddings, and its work is no matrix product: 0 FLOPs."""

    model: Staged
    schema: Schema
    device: torch.device = CPU

    def scores(self, columns: Columns) -> NDArray[np.float32]:
        """Logits (R, T)."""
        return self.model.logits(columns)

    def num_parameters(self) -> tuple[int, int]:
        """The same number twice."""
        return self.model.num_parameters, self.model.num_parameters

    def flops_per_row(self) -> int:
        """None that count."""
        return 0

    def insight(self, columns: Columns) -> Insight:  # noqa: ARG002  it has no gates and no attention to show
        """Empty."""
        return Insight()

    def milliseconds_per_100(self, columns: Columns) -> float:
        """Median time to score the first rows as one request, from columns to logits."""
        return milliseconds(lambda: self.model.logits(columns.head(CANDIDATES)))

    def describe(self) -> str:
        """Its own words."""
        return self.model.describe()


Trainable = Network | Growing


def fit_all(
    models: Sequence[Trainable],
    given: Sequence[Conditions],
    watchers: Sequence[Watcher],
    checkpoints: Sequence[Checkpoints | None] = (),
) -> list[Outcome]:
    """Trains all in place under conditions that differ in the seed alone; each ends with its best weights.

    Networks go on from their checkpoints, where they are given; what grows begins again.
    """
    networks = [one.model for one in models if isinstance(one, Network)]
    if len(networks) == len(models):
        return fit_together(networks, given, watchers, checkpoints)
    grown = (one.model for one in models if isinstance(one, Growing))
    return [
        fit_staged(model, one.dataset, one.schema, one.config, seed=one.seed, objective=one.objective, watcher=watcher)
        for model, one, watcher in zip(grown, given, watchers, strict=True)
    ]


def trainable(model: BuiltModel, schema: Schema, device: torch.device) -> Trainable:
    """The model as what it is; a staged one stays on the CPU whatever `device` is."""
    return Network(model, schema, device) if isinstance(model, nn.Module) else Growing(model, schema)
