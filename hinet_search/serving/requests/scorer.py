"""Scorer: what turns encoded rows into predictions, the graphs of a folder or its networks.

Shape legend: R rows, B rows of a batch, T tasks.
"""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from hinet_search.data.columns import Columns
from hinet_search.models.layers.batch import Batch, count_by_scenario
from hinet_search.serving.compiled.layout import COMPILED, LAYOUT, GraphLayout
from hinet_search.serving.compiled.run import has_graphs, open_compiled
from hinet_search.serving.members import ExportedMember
from hinet_search.serving.model_folder import ExportedModel
from hinet_search.serving.predict import predictions
from hinet_search.serving.tables import wrong_content
from hinet_search.training.predict import ROWS_AT_ONCE
from hinet_search.training.trainable import Network


class RequestScorer(Protocol):
    """Scores encoded rows; safe in several threads at once."""

    def score(self, columns: Columns, scenario: str | None) -> NDArray[np.float32]:
        """Return what `predict` gives of every row (R, T), NaN where there is no finite score.

        `scenario` names that of all rows; None if they are of several.
        """
        ...


@dataclass(frozen=True)
class NetworkScorer:
    """The networks (or forests) of a folder, computed by torch as `predict` does."""

    exported: ExportedModel

    def score(self, columns: Columns, scenario: str | None) -> NDArray[np.float32]:  # noqa: ARG002  a batch tells
        """Return predictions (R, T)."""
        return predictions(self.exported, columns)


def scorer_of(exported: ExportedModel) -> RequestScorer:
    """Return the graphs of a folder that has some without code, else its networks.

    Errors: those of `open_compiled`; DataError for graphs of another model.
    """
    if has_graphs(exported.folder):
        compiled = open_compiled(exported.folder)
        _refuse_other_graphs(exported, compiled.layout)
        return compiled
    return network_scorer(exported)


def _refuse_other_graphs(exported: ExportedModel, layout: GraphLayout) -> None:
    schema = exported.encoder.schema
    wanted = (schema.tasks, schema.scenarios, schema.num_fields, len(schema.numeric))
    got = (layout.tasks, layout.scenarios, layout.num_ids, layout.num_numbers)
    if (*got, layout.num_slots) != (*wanted, schema.num_slots):
        raise wrong_content(
            exported.folder / COMPILED / LAYOUT,
            "be of the model's tasks, scenarios and inputs",
            "is of others",
        )


def network_scorer(exported: ExportedModel) -> NetworkScorer:
    """Return the scorer of a folder's members on the CPU.

    Networks are set to evaluate once and for all: `train()` of one thread would turn dropout on in
    another.
    """
    members = tuple(map(_for_requests, exported.members))
    return NetworkScorer(replace(exported, members=members))


@dataclass(frozen=True)
class RequestNetwork:
    """A network that scores few rows without a feed."""

    network: Network

    @property
    def model(self) -> nn.Module:
        """The model."""
        return self.network.model

    def scores(self, columns: Columns) -> NDArray[np.float32]:
        """Return logits (R, T)."""
        if columns.num_rows > ROWS_AT_ONCE:
            return self.network.scores(columns)
        scenario_B = _tensor(columns.scenario_R).long()
        is_sorted = bool((columns.scenario_R[1:] >= columns.scenario_R[:-1]).all())
        batch = Batch(
            ids_BF=_tensor(columns.ids_RF),
            numeric_BN=_tensor(columns.numeric_RN),
            scenario_B=scenario_B,
            lists_BS=_tensor(columns.lists_RS),
            order_B=None if is_sorted else scenario_B.argsort(stable=True),
            sizes=count_by_scenario(scenario_B),
        )
        with torch.inference_mode():
            logits_BT: torch.Tensor = self.network.model(batch)
        scores_RT: NDArray[np.float32] = logits_BT.float().numpy()
        return scores_RT


def _tensor(array: NDArray[np.generic]) -> torch.Tensor:
    """A view, or a copy of an array that must not be written to, of which torch warns."""
    return torch.from_numpy(np.require(array, requirements="W"))


def _for_requests(member: ExportedMember) -> ExportedMember:
    if not isinstance(member.model, Network):
        return member
    member.model.model.eval()
    return replace(member, model=RequestNetwork(member.model))
