"""AdaSparse: a network whose neurons are weighted and pruned per scenario (Yang et al., CIKM 2022).

A pruner at every hidden layer maps the scenario's embedding e_d and the layer's outputs h^l to a
factor per neuron (arXiv 2206.13108, section on the domain-aware pruner):

    h^l(d) = h^l (elementwise) pi^l(d),    v_in = W_p^l [e_d, h^l] + b_p^l
    binarization   v_out = sigmoid(alpha v_in),          pi = 1 if v_out > epsilon else 0
    scaling        v_out = beta sigmoid(v_in),           pi = v_out
    fusion         v_out = beta sigmoid(alpha v_in),     pi = v_out if v_out > epsilon else 0

alpha grows in training from 0.1 to 5, beta is 2 (as summaries of the paper have it). x holds e_d
too. The paper has one output; here the trunk and its pruners are shared and every (scenario, task)
has a tower.

- The paper adds a penalty to the loss that keeps the share of pruned neurons in a range. Models
  here do not change the loss, so there is none: the data alone decide how much is pruned.
- Not found in the paper, or only told differently: how alpha grows, here linearly over
  `annealing_steps` training batches; epsilon, here 0.25 as in public code; whether a pruner sees
  e_d alone, here h^l too as in public code.
- The step of binarization has no gradient: here the straight-through estimate, that of v_out.
- The paper writes the step as sign(v_out - epsilon). Public code (Scenario-Wise-Rec) reads that as
  -1 below the threshold, which flips neurons instead of pruning them; it also lets alpha grow in
  evaluation. Other public code keeps alpha at 1 and cuts the gradient of e_d.

Shape legend: M scenarios, T tasks, B rows, D width of x, E embedding width, H width of a layer.
"""

from itertools import pairwise
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from hinet_search.common.frozen_model import Count, Layers
from hinet_search.data.schema import Schema
from hinet_search.models.layers.activation import Activation
from hinet_search.models.layers.batch import Batch, rows_by_scenario
from hinet_search.models.layers.embedding import FeatureEmbedding
from hinet_search.models.layers.experts import TowerConfig, Towers
from hinet_search.models.layers.linear import Linear
from hinet_search.models.layers.protocol import ProtocolConfig

FIRST_ALPHA, LAST_ALPHA = 0.1, 5.0


class Config(ProtocolConfig):
    """Options of AdaSparse; `threshold` is epsilon, `scale` is beta.

    `scaling` uses neither `threshold` nor `annealing_steps`, `binarization` does not use `scale`.
    """

    embedding_dim: Count = 8
    widths: Annotated[Layers, Field(min_length=1)] = (128, 64)
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    form: Literal["binarization", "scaling", "fusion"] = "fusion"
    threshold: Annotated[float, Field(ge=0, lt=1)] = 0.25
    scale: Annotated[float, Field(ge=1, le=10)] = 2.0
    annealing_steps: Count = 1000
    tower: TowerConfig = TowerConfig()


class Pruner(nn.Module):
    """Weigh the outputs of a layer; a factor of 0 prunes a neuron in that row."""

    def __init__(self, width: int, config: Config) -> None:
        super().__init__()
        self.config = config
        self.linear = Linear(config.embedding_dim + width, width)

    def forward(
        self,
        h_BH: Float[Tensor, "B H"],
        scenario_BE: Float[Tensor, "B E"],
        alpha: Float[Tensor, ""],
    ) -> Float[Tensor, "B H"]:
        """Return the factors pi of every row."""
        form, threshold = self.config.form, self.config.threshold
        v_in_BH: Tensor = self.linear(torch.cat([scenario_BE, h_BH], dim=-1))
        if form == "scaling":
            return self.config.scale * torch.sigmoid(v_in_BH)
        v_out_BH = torch.sigmoid(alpha * v_in_BH)
        if form == "binarization":
            kept_BH = (v_out_BH > threshold).to(v_out_BH.dtype)
            return kept_BH + (v_out_BH - v_out_BH.detach())
        v_out_BH = self.config.scale * v_out_BH
        return torch.where(v_out_BH > threshold, v_out_BH, 0)


class Model(nn.Module):
    """The scenario is an input field and an input of every pruner; towers are per cell."""

    num_steps: Tensor

    def __init__(self, config: Config, schema: Schema) -> None:
        super().__init__()
        self.config = config
        self.schema = schema
        self.embedding = FeatureEmbedding(schema, config.embedding_dim, with_scenario=True)
        widths = [self.embedding.width, *config.widths]
        self.hidden = nn.ModuleList(Linear(*step) for step in pairwise(widths))
        self.pruners = nn.ModuleList(Pruner(width, config) for width in config.widths)
        self.activation = Activation(config.dropout)
        self.towers = Towers(
            widths[-1],
            config.tower.widths,
            schema.num_tasks,
            num_scenarios=schema.num_scenarios,
        )
        self.register_buffer("num_steps", torch.zeros((), dtype=torch.int64))

    def forward(self, batch: Batch) -> Float[Tensor, "B T"]:
        """Return logits of each row's own scenario; in training mode, count the step for alpha."""
        rows = rows_by_scenario(batch, self.schema.num_scenarios)
        h_BH = self.embedding(rows.sort(batch))
        # The scenario is the last field of x, see FeatureEmbedding.
        first = self.schema.num_fields * self.config.embedding_dim
        scenario_BE = h_BH[:, first : first + self.config.embedding_dim]
        alpha = self.alpha(h_BH.dtype)
        if self.training:
            self.num_steps.add_(1)
        for layer, pruner in zip(self.hidden, self.pruners, strict=True):
            h_BH = self.activation(layer(h_BH))
            h_BH = h_BH * pruner(h_BH, scenario_BE, alpha)
        return rows.restore(self.towers(h_BH, rows.sizes))

    def alpha(self, dtype: torch.dtype) -> Float[Tensor, ""]:
        """Return alpha after the training steps so far; a tensor, so that a GPU is not read."""
        share = (self.num_steps.to(dtype) / self.config.annealing_steps).clamp(max=1)
        return FIRST_ALPHA + (LAST_ALPHA - FIRST_ALPHA) * share
