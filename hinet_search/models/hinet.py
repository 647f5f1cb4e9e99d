"""HiNet: a hierarchy of scenarios, then of tasks (arXiv 2303.06095, ICDE 2023).

    x -> shared sub-experts G, specific sub-experts S_i, attention to the other scenarios A_i
                                                               (ScenarioLayer, layers/san.py)
      -> C_i = [G, S_i, A_i]
      -> CGC: shared and specific experts, a gate per task     (layers/cgc.py)
      -> a tower per (scenario, task) -> logits

G is one mixture of sub-experts for all scenarios, S_i the mixture of scenario i, A_i SAN's weighted
sum of the other scenarios' S_m (section III).
The published code departs from the paper in ways that cost quality. `released_code` reproduces four
of them for comparison: CGC gates that are all 1, SAN's softmax over all scenarios behind a one-unit
bottleneck, ReLU on gate logits, and a loss without a mask, so that every row trains the heads of
all scenarios.
Shape legend: M scenarios, T tasks, B rows sorted by scenario, D width of x, H width of a mixture of
sub-experts or of the task layer, C width of the scenario layer (3 H, or 2 H without SAN).
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from hinet_search.common.frozen_model import Count, Frozen, Layers
from hinet_search.data.schema import Schema
from hinet_search.models.layers.batch import Batch, rows_by_scenario
from hinet_search.models.layers.cgc import CGC, CGCConfig
from hinet_search.models.layers.diagnostics import gate_usage, numbered
from hinet_search.models.layers.embedding import FeatureEmbedding
from hinet_search.models.layers.experts import Experts, Gate, Mixture, TowerConfig, Towers
from hinet_search.models.layers.hidden_norm import NetworkConfig
from hinet_search.models.layers.san import (
    BottleneckAttention,
    SANConfig,
    ScenarioAttention,
    weighted_sums,
)
from hinet_search.results.records import GateUsage, Insight


class ScenarioConfig(Frozen):
    """Options of the sub-experts. Without `enabled` the task layer works on x itself."""

    enabled: bool = True
    num_shared_sub_experts: Count = 3
    num_specific_sub_experts: Count = 3
    widths: Annotated[Layers, Field(min_length=1)] = (128, 64)
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    gate: Literal["softmax", "uniform"] = "softmax"


class ScenarioLayer(nn.Module):
    """Compute [G, S_i] or, with SAN, [G, S_i, A_i] of every row, of width `width`.

    `released_code` uses gates and SAN of the code published with HiNet: see Gate and
    BottleneckAttention.
    """

    def __init__(
        self,
        in_width: int,
        num_scenarios: int,
        config: ScenarioConfig,
        san: SANConfig,
        *,
        released_code: bool = False,
    ) -> None:
        super().__init__()
        kind = "relu_softmax" if released_code and config.gate == "softmax" else config.gate

        def mixture(num_experts: int, num_groups: int) -> Mixture:
            experts = Experts(
                in_width, config.widths, num_experts, dropout=config.dropout, num_groups=num_groups
            )
            return Mixture(experts, Gate(in_width, num_experts, kind, num_groups=num_groups))

        self.shared = mixture(config.num_shared_sub_experts, 1)
        self.specific = mixture(config.num_specific_sub_experts, num_scenarios)
        attention = BottleneckAttention if released_code else ScenarioAttention
        self.san = attention(num_scenarios, san) if san.enabled else None
        self.width = config.widths[-1] * (3 if san.enabled else 2)

    def forward(self, x_BD: Float[Tensor, "B D"], sizes: Sequence[int]) -> Float[Tensor, "B C"]:
        """Return C of every row; rows are sorted by scenario, `sizes[m]` of them for scenario m."""
        shared_1BH = self.shared(x_BD)
        if self.san is None:
            return torch.cat([*shared_1BH, *self.specific(x_BD, sizes)], dim=-1)
        table_1MM = self.san().unsqueeze(0)
        needed = self.san.needed_others()
        # S_i and A_i are two weighted sums of the same S_m.
        own_1MM = torch.eye(len(sizes), dtype=x_BD.dtype, device=x_BD.device).unsqueeze(0)
        tables_2MM = torch.cat([own_1MM, table_1MM])
        if needed is not None:
            needed = tuple((*others, i) for i, others in enumerate(needed))
        own_and_others_2BH = weighted_sums(self.specific, x_BD, sizes, tables_2MM, needed)
        return torch.cat([*shared_1BH, *own_and_others_2BH], dim=-1)


class LossConfig(Frozen):
    """Options of the loss.

    `entire_space`: the tasks form a funnel; a task's probability is its conditional probability
    times the probabilities of all tasks before it that the scenario has.
    """

    entire_space: bool = False


class Config(NetworkConfig):
    """Options of HiNet. The defaults do well on public data; the paper's networks are larger."""

    embedding_dim: Count = 8
    scenario: ScenarioConfig = ScenarioConfig()
    san: SANConfig = SANConfig()
    cgc: CGCConfig = CGCConfig()
    tower: TowerConfig = TowerConfig()
    loss: LossConfig = LossConfig()
    released_code: bool = False

    @model_validator(mode="after")
    def _released_code_has_plain_attention(self) -> "Config":
        if self.released_code and (self.san.top_k is not None or self.san.hidden_widths):
            raise ValueError(
                "released_code: true has its own SAN; leave san.top_k and san.hidden_widths out"
            )
        return self


class Model(nn.Module):
    """HiNet over the scenarios and tasks of `schema`."""

    def __init__(self, config: Config, schema: Schema) -> None:
        super().__init__()
        self.config = config
        self.schema = schema
        num_scenarios = schema.num_scenarios
        num_tasks = schema.num_tasks
        self.embedding = FeatureEmbedding(schema, config.embedding_dim)
        width = self.embedding.width
        self.scenario = None
        if config.scenario.enabled:
            self.scenario = ScenarioLayer(
                width,
                num_scenarios,
                config.scenario,
                config.san,
                released_code=config.released_code,
            )
            width = self.scenario.width
        task_gate = "sum" if config.released_code else config.cgc.gate
        self.cgc = CGC(width, num_scenarios, num_tasks, config.cgc, gate=task_gate)
        self.towers = Towers(
            self.cgc.width, config.tower.widths, num_tasks, num_scenarios=num_scenarios
        )
        # Which tasks of a scenario form its funnel; amounts do not.
        self.in_funnel: list[list[bool]] = (schema.has_task & ~schema.is_amount).tolist()

    def forward(self, batch: Batch) -> Float[Tensor, "B T"]:
        """Return logits of each row's own scenario.

        With `released_code` and in training mode: logits of all scenarios, (B, M * T).
        """
        if self.config.released_code and self.training:
            return self._logits_of_all_scenarios(batch)
        rows = rows_by_scenario(batch, self.schema.num_scenarios)
        return rows.restore(self._logits(self.embedding(rows.sort(batch)), rows.sizes))

    def _logits(self, x_BD: Float[Tensor, "B D"], sizes: Sequence[int]) -> Float[Tensor, "B T"]:
        """Return logits of sorted rows, of which `sizes[m]` belong to scenario m."""
        logits_BT: Tensor = self.towers(self.cgc(self._scenario_layer(x_BD, sizes), sizes), sizes)
        return self._funnels(logits_BT, sizes) if self.config.loss.entire_space else logits_BT

    def _funnels(
        self, logits_BT: Float[Tensor, "B T"], sizes: Sequence[int]
    ) -> Float[Tensor, "B T"]:
        """Return logits of the products along the tasks of a scenario's funnel.

        Other tasks keep their logits.
        """
        if all(map(all, self.in_funnel)):
            return entire_space(logits_BT)
        runs = torch.split(logits_BT, list(sizes))
        funnels = [
            _funnel_of(run_BT, in_funnel)
            for run_BT, in_funnel in zip(runs, self.in_funnel, strict=True)
        ]
        return torch.cat(funnels)

    def _logits_of_all_scenarios(self, batch: Batch) -> Float[Tensor, "B MT"]:
        """Return the logits of every row in every scenario, scenario by scenario."""
        x_BD = self.embedding(batch)
        logits = []
        for scenario in range(self.schema.num_scenarios):
            sizes = [0] * self.schema.num_scenarios
            sizes[scenario] = len(x_BD)  # as if all rows were of this scenario
            logits.append(self._logits(x_BD, sizes))
        return torch.cat(logits, dim=1)

    def _scenario_layer(
        self, x_BD: Float[Tensor, "B D"], sizes: Sequence[int]
    ) -> Float[Tensor, "B C"]:
        return x_BD if self.scenario is None else self.scenario(x_BD, sizes)

    def begin_epoch(self, epochs_done: int) -> None:
        """Fix the `san.top_k` others that each scenario attends to, once SAN's warm-up is over."""
        san = None if self.scenario is None else self.scenario.san
        if san is not None and epochs_done >= self.config.san.warmup_epochs:
            san.choose()

    @torch.no_grad()
    def insight(self, batch: Batch) -> Insight:
        """Return SAN's M x M table (diagonal 0) and the mean gate weights on `batch`."""
        rows = rows_by_scenario(batch, self.schema.num_scenarios)
        x_BD = self.embedding(rows.sort(batch))
        c_BC = self._scenario_layer(x_BD, rows.sizes)
        task_gates = self.cgc.usage(c_BC, rows.sizes, self.schema)
        if self.scenario is None:
            return Insight(gates=task_gates)
        attention = None
        if self.scenario.san is not None:
            attention = tuple(map(tuple, self.scenario.san().tolist()))
        return Insight(attention, (*self._sub_expert_gates(x_BD, rows.sizes), *task_gates))

    def _sub_expert_gates(
        self, x_BD: Float[Tensor, "B D"], sizes: Sequence[int]
    ) -> tuple[GateUsage, ...]:
        assert self.scenario is not None, "only called with a scenario layer"
        usage: tuple[GateUsage, ...] = ()
        mixtures = (("shared", self.scenario.shared), ("specific", self.scenario.specific))
        for name, mixture in mixtures:
            gate = mixture.gate
            experts = numbered(name, gate.num_experts, of_scenario=gate.num_groups > 1)
            gates = (f"{name} sub-experts",)
            usage += gate_usage(gate(x_BD, sizes), sizes, self.schema, experts, gates)
        return usage


def _funnel_of(run_BT: Float[Tensor, "B T"], in_funnel: Sequence[bool]) -> Float[Tensor, "B T"]:
    """Return rows of one scenario with the logits of its funnel."""
    columns = list(run_BT.unbind(dim=-1))
    tasks = [task for task, is_in in enumerate(in_funnel) if is_in]
    if not tasks:
        return run_BT
    funnel_BT = entire_space(torch.stack([columns[task] for task in tasks], dim=-1))
    for task, logit_B in zip(tasks, funnel_BT.unbind(dim=-1), strict=True):
        columns[task] = logit_B
    return torch.stack(columns, dim=-1)


def entire_space(conditional_BT: Float[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """Return logits of p_1 * ... * p_t, where p_t is given that the tasks before t happened."""
    conditional = conditional_BT.unbind(dim=-1)
    log_yes = logsigmoid(conditional[0])
    log_no = logsigmoid(-conditional[0])
    logits = [conditional[0]]
    for z_B in conditional[1:]:
        # Either an earlier task did not happen, or all did and this one did not:
        # 1 - p q = (1 - p) + p (1 - q).
        log_no = torch.logaddexp(log_no, log_yes + logsigmoid(-z_B))
        log_yes = log_yes + logsigmoid(z_B)
        logits.append(log_yes - log_no)
    return torch.stack(logits, dim=-1)
