"""HiNet: a hierarchy of scenarios, then of tasks (arXiv 2303.06095, ICDE 2023).

    x -> shared sub-experts G, own sub-experts S_i, attention to the others A_i     (nn/scenario.py, nn/san.py)
      -> C_i = [G, S_i, A_i] -> CGC: shared and specific experts, a gate per task   (nn/cgc.py)
      -> a tower per (scenario, task) -> logits

The published code differs from the paper by slips that cost quality; `released_code` repeats those that lie in the
model, to compare with: CGC gates that are all 1, SAN's softmax over all scenarios behind a one-unit bottleneck, ReLU on
gate logits.
Shape legend: M scenarios, T tasks, B rows, D width of x, C width of the scenario layer, H of the task layer.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from pydantic import model_validator
from torch import Tensor, nn

from hinet_search.frozen import Count, Frozen
from hinet_search.insight import GateUsage, Insight
from hinet_search.nn.cgc import CGC, CGCConfig
from hinet_search.nn.embedding import FeatureEmbedding
from hinet_search.nn.funnel import entire_space
from hinet_search.nn.rows import rows_by_scenario
from hinet_search.nn.san import SANConfig
from hinet_search.nn.scenario import ScenarioConfig, ScenarioLayer
from hinet_search.nn.towers import TowerConfig, Towers
from hinet_search.nn.usage import gate_usage, numbered
from hinet_search.schema import Batch, Schema


class LossConfig(Frozen):
    """`entire_space`: tasks form a funnel, a task's probability is the product of its own and all before it."""

    entire_space: bool = False


class Config(Frozen):
    """Options of HiNet. Defaults are good on public data, the paper's are larger."""

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
            raise ValueError("released_code: true has its own SAN; leave san.top_k and san.hidden_widths out")
        return self


class Model(nn.Module):
    """HiNet over the scenarios and tasks of `schema`."""

    def __init__(self, config: Config, schema: Schema) -> None:
        super().__init__()
        self.config = config
        self.schema = schema
        num_scenarios, num_tasks = schema.num_scenarios, schema.num_tasks
        self.embedding = FeatureEmbedding(schema, config.embedding_dim)
        width = self.embedding.width
        self.scenario = None
        if config.scenario.enabled:
            released = config.released_code
            self.scenario = ScenarioLayer(width, num_scenarios, config.scenario, config.san, released_code=released)
            width = self.scenario.width
        task_gate = "sum" if config.released_code else config.cgc.gate
        self.cgc = CGC(width, num_scenarios, num_tasks, config.cgc, gate=task_gate)
        self.towers = Towers(self.cgc.width, config.tower.widths, num_tasks, num_scenarios=num_scenarios)

    def forward(self, batch: Batch) -> Float[Tensor, "B T"]:
        """Logits of each row's own scenario."""
        rows = rows_by_scenario(batch, self.schema.num_scenarios)
        c_BC = self._scenario_layer(self.embedding(rows.sort(batch)), rows.sizes)
        logits_BT: Tensor = self.towers(self.cgc(c_BC, rows.sizes), rows.sizes)
        if self.config.loss.entire_space:
            logits_BT = entire_space(logits_BT)
        return rows.restore(logits_BT)

    def _scenario_layer(self, x_BD: Float[Tensor, "B D"], sizes: Sequence[int]) -> Float[Tensor, "B C"]:
        return x_BD if self.scenario is None else self.scenario(x_BD, sizes)

    def begin_pass(self, passes_done: int) -> None:
        """After SAN's warm-up every scenario keeps its `san.top_k` most attended others for good."""
        if self.scenario is not None and self.scenario.san is not None and passes_done >= self.config.san.warmup_passes:
            self.scenario.san.choose()

    @torch.no_grad()
    def insight(self, batch: Batch) -> Insight:
        """SAN's M x M table (diagonal 0) and the mean weights of all gates on the rows of `batch`."""
        rows = rows_by_scenario(batch, self.schema.num_scenarios)
        x_BD = self.embedding(rows.sort(batch))
        c_BC = self._scenario_layer(x_BD, rows.sizes)
        task_gates = self.cgc.usage(c_BC, rows.sizes, self.schema.scenarios, self.schema.tasks)
        if self.scenario is None:
            return Insight(gates=task_gates)
        return Insight(self._attention(), (*self._sub_expert_gates(x_BD, rows.sizes), *task_gates))

    def _attention(self) -> tuple[tuple[float, ...], ...] | None:
        if self.scenario is None or self.scenario.san is None:
            return None
        return tuple(tuple(row) for row in self.scenario.san().tolist())

    def _sub_expert_gates(self, x_BD: Float[Tensor, "B D"], sizes: Sequence[int]) -> tuple[GateUsage, ...]:
        assert self.scenario is not None, "gates of the scenario layer"
        usage: tuple[GateUsage, ...] = ()
        for name, mixture in (("shared", self.scenario.shared), ("own", self.scenario.specific)):
            experts = numbered(name, mixture.gate.num_experts, of_scenario=mixture.gate.num_groups > 1)
            weights_1BK = mixture.gate(x_BD, sizes)
            usage += gate_usage(weights_1BK, sizes, self.schema.scenarios, (f"{name} sub-experts",), experts)
        return usage
