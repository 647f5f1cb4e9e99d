"""M3oE: common, scenario and task experts, fused on two levels (Zhang et al., SIGIR 2024).

A star-like layer makes a representation h of a row of scenario m, which all experts share:

    z = x (W elementwise W_m) + b + b_m,    h = f(z) + f_skip(x),    f = one layer of an MLP

There are K common experts, one expert per scenario and one per task, all MLPs on h. Level one mixes
each kind for the cell (m, t); level two adds the kinds up:

    e_S = sum_k softmax(V_mt h)_k S_k(h)
    e_D = alpha D_m(h) + (1 - alpha) / (M - 1) * sum_{j != m} D_j(h)
    e_T = beta T_t(h) + (1 - beta) / (T - 1) * sum_{u != t} T_u(h)
    logit = tower_mt(e_S + gamma_D e_D + gamma_T e_T)

alpha, beta, gamma_D and gamma_T are sigmoids of one number each, which starts at 1. The paper
searches them with AutoML, apart from the other weights. That search is left out: here they are
trained like any weight. So does the released code in effect: its filter for the main optimiser,
`~flag`, is true for every parameter, and its second step takes training rows.

The equations follow the released code (Applied-Machine-Learning-Lab/M3oE), since we could not read
the paper's own. Its W and W_m both start as Xavier draws, whose products are tiny: here W_m starts
at 1, as in STAR. It divides by M - 1 and T - 1 also where that is 0: here a lone expert has no
alpha or beta. It detaches h for the gates and normalises after every hidden layer of f and experts:
`gate_stop_gradient` and `layer_norm`. Only its towers' normalisation and the gates' bias are left
out: towers and gates are as in every model here.

Shape legend: M scenarios, T tasks, B rows sorted by scenario, D width of x, I inputs and O outputs
of a layer, K common experts, N = K + M + T experts, U experts of one kind, H width of an expert.
"""

from collections.abc import Sequence
from typing import Annotated

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn

from hinet_search.common.frozen_model import Count, Layers
from hinet_search.data.schema import Schema
from hinet_search.models.layers.batch import Batch, rows_by_scenario
from hinet_search.models.layers.diagnostics import Expert, gate_usage, numbered
from hinet_search.models.layers.embedding import FeatureEmbedding
from hinet_search.models.layers.experts import ExpertConfig, Experts, Gate, TowerConfig, Towers, mix
from hinet_search.models.layers.hidden_norm import normalise_hidden
from hinet_search.models.layers.linear import StarLinear
from hinet_search.models.layers.protocol import ProtocolConfig
from hinet_search.results.records import Insight

INITIAL_WEIGHT = 1.0  # before the sigmoid, as in the released code


class Config(ProtocolConfig):
    """Options of M3oE; `star_widths` are of z and h, `dropout` applies to the experts."""

    embedding_dim: Count = 8
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    star_widths: Annotated[Layers, Field(min_length=2, max_length=2)] = (256, 128)
    num_experts: Count = 4
    expert: ExpertConfig = ExpertConfig(widths=(64,))
    tower: TowerConfig = TowerConfig()
    layer_norm: bool = True
    gate_stop_gradient: bool = True


class Model(nn.Module):
    """The scenario is an input, and has weights in the star layer, an expert, gates and towers."""

    def __init__(self, config: Config, schema: Schema) -> None:
        super().__init__()
        self.schema = schema
        self.gate_stop_gradient = config.gate_stop_gradient
        num_scenarios = schema.num_scenarios
        num_tasks = schema.num_tasks
        self.embedding = FeatureEmbedding(schema, config.embedding_dim, with_scenario=True)
        width = self.embedding.width
        z_width, h_width = config.star_widths
        self.star = StarLinear(width, z_width, 1, num_scenarios=num_scenarios)
        self.after_star = Experts(z_width, [h_width], 1)
        self.skip = Experts(width, [h_width], 1)
        num_experts = config.num_experts + num_scenarios + num_tasks
        self.experts = Experts(h_width, config.expert.widths, num_experts, dropout=config.dropout)
        if config.layer_norm:
            for part in (self.after_star, self.skip, self.experts):
                normalise_hidden(part, "layer")
        self.gate = Gate(
            h_width, config.num_experts, "softmax", num_gates=num_tasks, num_groups=num_scenarios
        )
        self.scenario_weights = KindWeights(num_scenarios)
        self.task_weights = KindWeights(num_tasks)
        self.towers = Towers(
            config.expert.widths[-1], config.tower.widths, num_tasks, num_scenarios=num_scenarios
        )

    def forward(self, batch: Batch) -> Float[Tensor, "B T"]:
        """Return logits of each row's own scenario."""
        rows = rows_by_scenario(batch, self.schema.num_scenarios)
        ordered = rows.sort(batch)
        h_BI = self._represent(ordered, rows.sizes)
        weights_TBN = self._weigh(h_BI, ordered.scenario_B.long(), rows.sizes)
        e_TBH = mix(weights_TBN, self.experts(h_BI).unsqueeze(0))
        return rows.restore(self.towers(e_TBH, rows.sizes))

    def _represent(self, ordered: Batch, sizes: Sequence[int]) -> Float[Tensor, "B I"]:
        x_BD = self.embedding(ordered)
        h_1BI: Tensor = self.after_star(self.star(x_BD, sizes)) + self.skip(x_BD)
        return h_1BI[0]

    def _weigh(
        self, h_BI: Float[Tensor, "B I"], scenario_B: Int[Tensor, "B"], sizes: Sequence[int]
    ) -> Float[Tensor, "T B N"]:
        """Return the weight of every expert after both levels: the fusion is one mixture.

        Experts come in the order common, of scenarios, of tasks.
        """
        gate_TBK = self.gate(h_BI.detach() if self.gate_stop_gradient else h_BI, sizes)
        scenario_BM = self.scenario_weights()[scenario_B]
        task_T1T = self.task_weights().unsqueeze(1)
        num_tasks, num_rows = gate_TBK.shape[:2]
        parts = [gate_TBK, scenario_BM.expand(num_tasks, -1, -1), task_T1T.expand(-1, num_rows, -1)]
        return torch.cat(parts, dim=-1)

    @torch.no_grad()
    def insight(self, batch: Batch) -> Insight:
        """Return the mean share of each expert in every (scenario, task) on the rows of `batch`."""
        rows = rows_by_scenario(batch, self.schema.num_scenarios)
        ordered = rows.sort(batch)
        h_BI = self._represent(ordered, rows.sizes)
        weights_TBN = self._weigh(h_BI, ordered.scenario_B.long(), rows.sizes)
        shares_TBN = weights_TBN / weights_TBN.sum(dim=-1, keepdim=True)
        experts = (
            *numbered("common", self.gate.num_experts),
            *(Expert(f"scenario {scenario}") for scenario in self.schema.scenarios),
            *(Expert(f"task {task}") for task in self.schema.tasks),
        )
        return Insight(gates=gate_usage(shares_TBN, rows.sizes, self.schema, experts))


class KindWeights(nn.Module):
    """The weights of one kind of experts, of scenarios or of tasks, in every scenario or task.

    `own` is alpha or beta and `kind` is gamma, before the sigmoid.
    """

    own: nn.Parameter | None

    def __init__(self, num_experts: int) -> None:
        super().__init__()
        self.num_experts = num_experts
        self.kind = nn.Parameter(torch.tensor(INITIAL_WEIGHT))
        initial_own = nn.Parameter(torch.tensor(INITIAL_WEIGHT)) if num_experts > 1 else None
        self.register_parameter("own", initial_own)

    def forward(self) -> Float[Tensor, "U U"]:
        """Return a table; row i has gamma alpha at i and gamma (1 - alpha) / (U - 1) elsewhere."""
        gamma = torch.sigmoid(self.kind)
        if self.own is None:
            return gamma.expand(1, 1)
        alpha = torch.sigmoid(self.own)
        is_own_UU = torch.eye(self.num_experts, dtype=alpha.dtype, device=alpha.device)
        other = (1 - alpha) / (self.num_experts - 1)
        return gamma * (is_own_UU * alpha + (1 - is_own_UU) * other)
