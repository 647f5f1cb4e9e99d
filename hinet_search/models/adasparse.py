"""AdaSparse: a network whose neurons are weighted and pruned per scenario (Yang et al., CIKM 2022).

A pruner at every hidden layer maps the scenario's embedding e_d and the layer's outputs h^l to a
factor per neuron (arXiv 2206.13108, section on the domain-aware pruner):

    h^l(d) = h^l (elementwise) pi^l(d),    v_in = W_p^l [e_d, h^l] + b_p^l
    binarization   v_out = sigmoid(alpha v_in),          pi = 1 if v_out > epsilon else 0
    scaling        v_out = beta sigmoid(v_in),           pi = v_out
    fusion         v_out = beta sigmoid(alpha v_in),     pi = v_out if v_out > epsilon else 0

alpha grows in training from 0.1 to 5, beta is 2 (as summaries of the paper have it). h^0 are
the embeddings of x but e_d, so that these are weighted and pruned too; numbers are not. x holds e_d
as well. Hidden layers are batch-normalised before ReLU. The paper has one output; here the trunk
and its pruners are shared and every (scenario, task) has a tower.

- The paper adds a penalty to the loss that keeps the share of pruned neurons in a range. Models
  here do not change the loss, so there is none: the data alone decide how much is pruned.
- The paper's own text could not be read, nor found in summaries: how alpha grows, here linearly
  over `annealing_epochs`, and epsilon. Public code differs: 0.01 in
  Scenario-Wise-Rec, whose alpha grows by 0.0001 a batch from 1; 0.25 in SATrans and
  Causal-Domain-Clustering, whose alpha is 1. Here epsilon is 0.25 by default.
- Pruned embeddings, and normalisation between the product and ReLU, are as in Scenario-Wise-Rec.
  SATrans and Causal-Domain-Clustering weigh the product, normalise then, and prune no embeddings.
- The step of binarization has no gradient: here the straight-through estimate, the one of v_out.
- The paper writes the step as sign(v_out - epsilon). Scenario-Wise-Rec reads that as -1 below the
  threshold, which flips neurons instead of pruning them; it also lets alpha grow in evaluation.
  Causal-Domain-Clustering cuts the gradient of e_d.

Shape legend: M scenarios, T tasks, B rows, D width of x, E embedding width, H width of a
layer; x has F numbers of fields, P of pooled lists, N numeric inputs, and R = F + P.
"""

from itertools import pairwise
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from hinet_search.common.frozen_model import Count, Epochs, Layers
from hinet_search.data.schema import Schema
from hinet_search.models.layers.activation import Activation
from hinet_search.models.layers.batch import Batch, rows_by_scenario
from hinet_search.models.layers.embedding import FeatureEmbedding
from hinet_search.models.layers.experts import TowerConfig, Towers
from hinet_search.models.layers.hidden_norm import hidden
from hinet_search.models.layers.linear import Linear
from hinet_search.models.layers.partitioned_norm import PartitionedNorm
from hinet_search.models.layers.protocol import ProtocolConfig

FIRST_ALPHA = 0.1
LAST_ALPHA = 5.0


class Config(ProtocolConfig):
    """Options of AdaSparse; `threshold` is epsilon, `scale` is beta.

    `scaling` uses neither `threshold` nor `annealing_epochs`, `binarization` does not use `scale`.
    """

    embedding_dim: Count = 8
    widths: Annotated[Layers, Field(min_length=1)] = (128, 64)
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    form: Literal["binarization", "scaling", "fusion"] = "fusion"
    threshold: Annotated[float, Field(ge=0, lt=1)] = 0.25
    scale: Annotated[float, Field(ge=1, le=10)] = 2.0
    annealing_epochs: Epochs = 1.0
    prune_embeddings: bool = True
    batch_norm: bool = True
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
        form = self.config.form
        threshold = self.config.threshold
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
    """The scenario is an input field and an input of every pruner; towers are per cell.

    Until `begin_training` an epoch is one step.
    """

    num_steps: Tensor
    steps_per_epoch: Tensor

    def __init__(self, config: Config, schema: Schema) -> None:
        super().__init__()
        self.config = config
        self.schema = schema
        self.embedding = FeatureEmbedding(schema, config.embedding_dim, with_scenario=True)
        # x is the fields, e_d, the lists and the numbers.
        of_fields = schema.num_fields * config.embedding_dim
        of_lists = self.embedding.lists_width
        of_numbers = self.embedding.numbers.width
        self.parts_of_x = [of_fields, config.embedding_dim, of_lists, of_numbers]
        embedded = of_fields + of_lists
        is_pruned = config.prune_embeddings and embedded > 0
        self.input_pruner = Pruner(embedded, config) if is_pruned else None
        widths = [self.embedding.width, *config.widths]
        # A bias before normalisation would be subtracted again.
        has_bias = not config.batch_norm
        layers = [Linear(*step, bias=has_bias) for step in pairwise(widths)]
        self.hidden = nn.ModuleList(layers if config.batch_norm else map(hidden, layers))
        self.norms = nn.ModuleList(
            PartitionedNorm(width, 1, has_own_gains=False)
            for width in (config.widths if config.batch_norm else ())
        )
        self.pruners = nn.ModuleList(Pruner(width, config) for width in config.widths)
        self.activation = Activation(config.dropout)
        self.towers = Towers(
            widths[-1], config.tower.widths, schema.num_tasks, num_scenarios=schema.num_scenarios
        )
        self.register_buffer("num_steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("steps_per_epoch", torch.ones((), dtype=torch.int64))

    def begin_training(self, steps_per_epoch: int) -> None:
        """Receive how many steps an epoch has."""
        self.steps_per_epoch.fill_(steps_per_epoch)

    def forward(self, batch: Batch) -> Float[Tensor, "B T"]:
        """Return logits of each row's own scenario; in training mode, count the step for alpha."""
        rows = rows_by_scenario(batch, self.schema.num_scenarios)
        x_BD = self.embedding(rows.sort(batch))
        alpha = self.alpha(x_BD.dtype)
        if self.training:
            self.num_steps.add_(1)
        h_BH, scenario_BE = self._pruned_inputs(x_BD, alpha)
        for number, (layer, pruner) in enumerate(zip(self.hidden, self.pruners, strict=True)):
            h_BH = layer(h_BH)
            if self.config.batch_norm:
                h_BH = self.norms[number](h_BH, (h_BH.shape[0],))
            h_BH = self.activation(h_BH)
            h_BH = h_BH * pruner(h_BH, scenario_BE, alpha)
        return rows.restore(self.towers(h_BH, rows.sizes))

    def _pruned_inputs(
        self, x_BD: Float[Tensor, "B D"], alpha: Float[Tensor, ""]
    ) -> tuple[Float[Tensor, "B D"], Float[Tensor, "B E"]]:
        """Return x, its embeddings but e_d weighted, and e_d."""
        fields_BF, scenario_BE, lists_BP, numeric_BN = torch.split(x_BD, self.parts_of_x, dim=1)
        if self.input_pruner is None:
            return x_BD, scenario_BE
        embedded_BR = torch.cat([fields_BF, lists_BP], dim=1)
        embedded_BR = embedded_BR * self.input_pruner(embedded_BR, scenario_BE, alpha)
        of_each = [fields_BF.shape[1], lists_BP.shape[1]]
        fields_BF, lists_BP = torch.split(embedded_BR, of_each, dim=1)
        return torch.cat([fields_BF, scenario_BE, lists_BP, numeric_BN], dim=1), scenario_BE

    def alpha(self, dtype: torch.dtype) -> Float[Tensor, ""]:
        """Return alpha after the training steps so far; a tensor, so that a GPU is not read."""
        epochs = self.num_steps.to(dtype) / self.steps_per_epoch
        share = (epochs / self.config.annealing_epochs).clamp(max=1)
        return FIRST_ALPHA + (LAST_ALPHA - FIRST_ALPHA) * share
