"""PEPNet: gates of prior knowledge scale embeddings and hidden layers (Chang et al., KDD 2023).

Every gate is a Gate NU, gate(z) = GAMMA sigmoid(W' relu(W z + b) + b'), between 0 and GAMMA = 2
(section 2.2.1). With sg = stop-gradient, [,] = concatenation and * elementwise:

    EPNet (2.2.2)   O = gate([E(s), sg(x)]) * x                the input x, for scenario s
    PPNet (2.2.3)   H_tl = gate_tl([prior, sg(O)]) * relu(W_tl H_t,l-1 + b_tl)    H_t0 = O
                    logit_t = w_t H_tL + c_t                   the tower of task t, L hidden layers

Each task has its own tower and gates; scenarios share them all and differ by E(s) alone.
What the paper leaves open, or has data for that a schema lacks:
- Its prior is the embeddings of user, item and author ids. A schema does not say which fields these
  are, so here it is the embeddings of all categorical fields. They come from the table that x uses
  and are trained through the gates too.
- Its scenario features include statistics of users and items in a scenario; here E(s) is only an
  embedding of the scenario.
- The width of W: here `gate_width`, the same for all gates.
- Whether PPNet also scales O, before the first layer: here it does not, as EPNet already has.
The code of Scenario-Wise-Rec gives its towers the gates' input, whose gradient is stopped, so that
most embeddings are never trained. Here, as in the paper, it is stopped on the way to gates alone.

Shape legend: M scenarios, T tasks, B rows, D width of x, E embedding width, P width of the prior,
S gates computed together, I inputs and O outputs of a gate.
"""

from itertools import pairwise
from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from hinet_search.common.frozen_model import Count, Layers
from hinet_search.data.schema import Schema
from hinet_search.models.layers.activation import Activation
from hinet_search.models.layers.batch import Batch
from hinet_search.models.layers.embedding import FeatureEmbedding
from hinet_search.models.layers.hidden_norm import hidden
from hinet_search.models.layers.linear import StackedLinear
from hinet_search.models.layers.protocol import ProtocolConfig

GAMMA = 2.0  # a gate doubles at most; gates start near 1


class Config(ProtocolConfig):
    """Options of PEPNet.

    `widths` and `dropout` belong to the towers' hidden layers, `gate_width` to every gate's.
    """

    embedding_dim: Count = 8
    widths: Annotated[Layers, Field(min_length=1)] = (128, 64)
    gate_width: Count = 64
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2


class GateUnit(nn.Module):
    """`num_gates` Gate NUs with the same input."""

    def __init__(self, in_width: int, hidden_width: int, out_width: int, num_gates: int) -> None:
        super().__init__()
        self.hidden = StackedLinear(in_width, hidden_width, num_gates)
        self.activation = Activation()
        self.output = StackedLinear(hidden_width, out_width, num_gates)

    def forward(self, z_BI: Float[Tensor, "B I"]) -> Float[Tensor, "S B O"]:
        """Return the scales of every gate, between 0 and GAMMA."""
        logits_SBO: Tensor = self.output(self.activation(self.hidden(z_BI)))
        return GAMMA * torch.sigmoid(logits_SBO)


class EPNet(nn.Module):
    """Scale the input by a gate of the scenario and of the input, which the gate does not train."""

    def __init__(self, width: int, embedding_dim: int, gate_width: int) -> None:
        super().__init__()
        self.gate = GateUnit(embedding_dim + width, gate_width, width, num_gates=1)

    def forward(
        self, x_BD: Float[Tensor, "B D"], scenario_BE: Float[Tensor, "B E"]
    ) -> Float[Tensor, "B D"]:
        """Return O; numeric inputs are scaled like embeddings."""
        gate_1BD = self.gate(torch.cat([scenario_BE, x_BD.detach()], dim=-1))
        o_BD: Tensor = gate_1BD[0] * x_BD
        return o_BD


class PPNet(nn.Module):
    """A tower per task, each hidden layer scaled by a gate of the prior and of the input."""

    def __init__(self, width: int, prior_width: int, config: Config, num_tasks: int) -> None:
        super().__init__()
        steps = list(pairwise([width, *config.widths]))
        self.hidden = nn.ModuleList(hidden(StackedLinear(*step, num_tasks)) for step in steps)
        self.gates = nn.ModuleList(
            GateUnit(prior_width + width, config.gate_width, out_width, num_tasks)
            for _, out_width in steps
        )
        self.activation = Activation(config.dropout)
        self.output = StackedLinear(config.widths[-1], 1, num_tasks)

    def forward(
        self, o_BD: Float[Tensor, "B D"], prior_BP: Float[Tensor, "B P"]
    ) -> Float[Tensor, "B T"]:
        """Return the logits of all tasks; gates train the prior, but not the input."""
        z_BI = torch.cat([prior_BP, o_BD.detach()], dim=-1)
        hidden = o_BD
        for layer, gate in zip(self.hidden, self.gates, strict=True):
            hidden = gate(z_BI) * self.activation(layer(hidden))
        logits_TB1: Tensor = self.output(hidden)
        return logits_TB1[:, :, 0].T


class Model(nn.Module):
    """The scenario acts through EPNet's gate alone: it is no input of the towers."""

    def __init__(self, config: Config, schema: Schema) -> None:
        super().__init__()
        self.schema = schema
        self.embedding = FeatureEmbedding(schema, config.embedding_dim)
        width = self.embedding.width
        # x begins with the embeddings of the categorical fields.
        self.prior_width = schema.num_fields * config.embedding_dim
        self.scenario_embedding = nn.Embedding(schema.num_scenarios, config.embedding_dim)
        self.epnet = EPNet(width, config.embedding_dim, config.gate_width)
        self.ppnet = PPNet(width, self.prior_width, config, schema.num_tasks)

    def forward(self, batch: Batch) -> Float[Tensor, "B T"]:
        """Return logits of each row's own scenario."""
        x_BD = self.embedding(batch)
        scenario_BE = self.scenario_embedding(batch.scenario_B.long())
        prior_BP = x_BD[:, : self.prior_width]
        logits_BT: Tensor = self.ppnet(self.epnet(x_BD, scenario_BE), prior_BP)
        return logits_BT
