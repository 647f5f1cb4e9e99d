"""FinalMLP: two gated MLPs whose outputs are fused by a bilinear form (Mao et al., AAAI 2023).

Each stream gates the inputs for itself (arXiv 2304.00902, stream-specific feature gating):

    g_s = Gate_s(context of stream s),  h_s = 2 sigmoid(g_s) (elementwise) x,  o_s = MLP_s(h_s)

and k heads fuse the streams, each its own slice of o_1 and o_2 (stream-level interaction
aggregation):

    logit = b + w_1' o_1 + w_2' o_2 + sum over heads j of o_1j' W_j o_2j

FinalMLP is a model of one task without scenarios. Here it is one joint model: the scenario is an
input field, gates and streams are shared, and every (scenario, task) has its own b, w and W.

- In the paper a gate's context is a learned vector, the user's features or the item's. A schema
  does not say which inputs are the user's, so a context is here a learned vector or an embedding
  of the scenario; by default the first stream has the one and the second the other. Gates then
  depend on nothing else of the row.
- A gate has an output per number of x, as in the published code (FuxiCTR). That code starts the
  learned vector at 0, where the gate's first layer gets no gradient; here it starts like an
  embedding. Gates are never normalised: that code's option is off by default.

Shape legend: M scenarios, T tasks, B rows, D width of x, C contexts, K heads, P and Q widths of
the streams' outputs, or of a head's slices of them.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field, model_validator
from torch import Tensor, nn

from hinet_search.common.frozen_model import Count, Frozen, Layers
from hinet_search.data.schema import Schema
from hinet_search.models.layers.batch import Batch, rows_by_scenario
from hinet_search.models.layers.embedding import INITIAL_STD, FeatureEmbedding, look_up
from hinet_search.models.layers.experts import mlp
from hinet_search.models.layers.linear import Linear, StackedLinear
from hinet_search.models.layers.protocol import ProtocolConfig


class StreamConfig(Frozen):
    """Widths of a stream's MLP, and the context of its gate."""

    widths: Annotated[Layers, Field(min_length=1)] = (128, 64)
    context: Literal["learned", "scenario"] = "learned"


class FeatureGateConfig(Frozen):
    """Options of both gates; without `enabled` both streams get x itself (DualMLP)."""

    enabled: bool = True
    widths: Layers = (64,)


class Config(ProtocolConfig):
    """Options of FinalMLP; `dropout` applies to the streams."""

    embedding_dim: Count = 8
    first: StreamConfig = StreamConfig()
    second: StreamConfig = StreamConfig(context="scenario")
    gate: FeatureGateConfig = FeatureGateConfig()
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    num_heads: Count = 2

    @model_validator(mode="after")
    def _heads_divide_the_outputs(self) -> "Config":
        for stream, options in (("first", self.first), ("second", self.second)):
            if options.widths[-1] % self.num_heads:
                raise ValueError(
                    f"num_heads must divide the last of {stream}.widths, "
                    f"got {self.num_heads} and {options.widths[-1]}"
                )
        return self


class FeatureGate(nn.Module):
    """Multiply every number of x by a weight between 0 and 2 that depends on the context."""

    def __init__(
        self, width: int, context_width: int, num_contexts: int, widths: Sequence[int]
    ) -> None:
        super().__init__()
        self.context = nn.Embedding(num_contexts, context_width)
        nn.init.normal_(self.context.weight, std=INITIAL_STD)
        self.hidden = mlp(context_width, widths, of_rows=False)
        self.output = Linear([context_width, *widths][-1], width)

    def forward(
        self, x_BD: Float[Tensor, "B D"], scenario_B: Int[Tensor, "B"]
    ) -> Float[Tensor, "B D"]:
        """Return the gated inputs; with a single context, `scenario_B` has no effect."""
        weight_CD = self.weights()
        if len(weight_CD) == 1:
            return x_BD * weight_CD
        return x_BD * look_up(weight_CD, scenario_B.long())

    def weights(self) -> Float[Tensor, "C D"]:
        """Return the weights of every context, computed once per batch and not per row."""
        return 2 * torch.sigmoid(self.output(self.hidden(self.context.weight)))


class Stream(nn.Module):
    """A gate and an MLP."""

    def __init__(self, width: int, config: Config, stream: StreamConfig, schema: Schema) -> None:
        super().__init__()
        num_contexts = schema.num_scenarios if stream.context == "scenario" else 1
        self.gate = None
        if config.gate.enabled:
            self.gate = FeatureGate(width, config.embedding_dim, num_contexts, config.gate.widths)
        self.mlp = mlp(width, stream.widths, config.dropout)

    def forward(
        self, x_BD: Float[Tensor, "B D"], scenario_B: Int[Tensor, "B"]
    ) -> Float[Tensor, "B P"]:
        """Return the stream's output of every row."""
        h_BD = x_BD if self.gate is None else self.gate(x_BD, scenario_B)
        o_BP: Tensor = self.mlp(h_BD)
        return o_BP


class BilinearFusion(nn.Module):
    """The logit of two streams, with parameters of its own per (scenario, task)."""

    def __init__(
        self, widths: tuple[int, int], num_heads: int, num_tasks: int, *, num_scenarios: int
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.num_tasks = num_tasks
        first, second = widths
        self.first = StackedLinear(first, 1, num_tasks, num_groups=num_scenarios)
        self.second = StackedLinear(second, 1, num_tasks, num_groups=num_scenarios, bias=False)
        self.products = StackedLinear(  # W of every head, task by task
            first // num_heads,
            second // num_heads,
            num_tasks * num_heads,
            num_groups=num_scenarios,
            bias=False,
        )

    def forward(
        self, o1_BP: Float[Tensor, "B P"], o2_BQ: Float[Tensor, "B Q"], sizes: Sequence[int]
    ) -> Float[Tensor, "B T"]:
        """Return logits of each row's own scenario; rows are sorted by scenario."""
        linear_TB1 = self.first(o1_BP, sizes) + self.second(o2_BQ, sizes)
        heads = (self.num_heads, -1)
        o1_KBP = torch.unflatten(o1_BP, 1, heads).transpose(0, 1)
        o2_KBQ = torch.unflatten(o2_BQ, 1, heads).transpose(0, 1)
        projected: Tensor = self.products(o1_KBP.repeat(self.num_tasks, 1, 1), sizes)
        projected_TKBQ = torch.unflatten(projected, 0, (self.num_tasks, self.num_heads))
        bilinear_TB = (projected_TKBQ * o2_KBQ).sum(dim=(1, 3))
        logits_TB: Tensor = linear_TB1[:, :, 0] + bilinear_TB
        return logits_TB.T


class Model(nn.Module):
    """The scenario is an input field and may be a gate's context; the fusion is per cell."""

    def __init__(self, config: Config, schema: Schema) -> None:
        super().__init__()
        self.schema = schema
        self.embedding = FeatureEmbedding(schema, config.embedding_dim, with_scenario=True)
        self.first = Stream(self.embedding.width, config, config.first, schema)
        self.second = Stream(self.embedding.width, config, config.second, schema)
        self.fusion = BilinearFusion(
            (config.first.widths[-1], config.second.widths[-1]),
            config.num_heads,
            schema.num_tasks,
            num_scenarios=schema.num_scenarios,
        )

    def forward(self, batch: Batch) -> Float[Tensor, "B T"]:
        """Return logits of each row's own scenario."""
        rows = rows_by_scenario(batch, self.schema.num_scenarios)
        ordered = rows.sort(batch)
        x_BD = self.embedding(ordered)
        o1_BP = self.first(x_BD, ordered.scenario_B)
        o2_BQ = self.second(x_BD, ordered.scenario_B)
        return rows.restore(self.fusion(o1_BP, o2_BQ, rows.sizes))
