"""M2M: scenario knowledge generates weights of attention and towers (Zhang et al., WSDM 2022).

From "Leaving No One Behind: A Multi-Scenario Multi-Task Meta Learning Approach for Advertiser
Modeling" (arXiv 2201.06814). With leaky = LeakyReLU and [,] = concatenation, for a row x of
scenario s, experts i and tasks t:

    backbone (section 4.1)      views E_i = MLP_i(x),  T_t = leaky(A Emb(t) + a)
                                knowledge S = leaky(C [Emb(s), x] + c)
    meta unit (4.2.1)           h_j = leaky(W_j h_j-1 + b_j), where W_j = reshape(V_j S + v_j) and
                                b_j = U_j S + u_j; the output is the last h_j
    meta attention (4.2.2)      R_t = sum_i softmax over i of (v_t . Meta_t([E_i, T_t])) E_i
    meta tower (4.2.3)          L_t0 = R_t,  L_tk = leaky(Meta_tk(L_t,k-1) + L_t,k-1)
    output                      logit_t = w_t L_tK + d_t

Scenarios share all weights and differ by Emb(s) alone. What differs from the paper:
- Its S is of scenario and advertiser, its experts see the advertiser and transformed sequences. A
  schema does not say which fields describe whom, and lists are already pooled in x, so both get x.
- It predicts counts by Poisson regression; here tasks are binary, with logits.
- Experts are as in the other models: ReLU, and dropout.
Open there: widths and numbers of layers; whether meta units are shared (here every task and layer
has its own); the slope of LeakyReLU (here 0.01); the start (here v and u start like the parameters
of nn.Linear, V and U smaller by the root of the width of S).
Public code deviates: RecSys takes the attention without its softmax, and one of its versions the
tower without its residual; Scenario-Wise-Rec lets the rows of a batch attend to one another, and
makes the view of the task from the scenario.

Shape legend: M scenarios, T tasks, B rows, D width of x, E embedding width, K experts, H width of a
view, S width of the knowledge, N vectors of one row, I width of a meta unit.
"""

import math
from typing import Annotated

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from hinet_search.common.frozen_model import Count, Depth
from hinet_search.data.schema import Schema
from hinet_search.models.layers.batch import Batch, rows_by_scenario
from hinet_search.models.layers.diagnostics import gate_usage, numbered
from hinet_search.models.layers.embedding import FeatureEmbedding
from hinet_search.models.layers.experts import ExpertConfig, Experts, mix
from hinet_search.models.layers.linear import Linear, StackedLinear
from hinet_search.models.layers.protocol import ProtocolConfig
from hinet_search.results.records import Insight


class Config(ProtocolConfig):
    """Options of M2M; `dropout` applies to the experts.

    The last width of an expert is that of all views: the number of weights generated for a row
    grows with its square. `knowledge_width` is the width of the vector that generates them.
    `unit_layers` counts the layers of a meta unit, `tower_layers` the residual layers of a tower,
    each with a meta unit.
    """

    embedding_dim: Count = 8
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2
    num_experts: Count = 4
    expert: ExpertConfig = ExpertConfig(widths=(64, 16))
    knowledge_width: Count = 16
    unit_layers: Depth = 1
    tower_layers: Depth = 2


class ScenarioKnowledge(nn.Module):
    """The vector of a row and its scenario from which weights are generated."""

    def __init__(self, in_width: int, embedding_dim: int, width: int, num_scenarios: int) -> None:
        super().__init__()
        self.scenario_embedding = nn.Embedding(num_scenarios, embedding_dim)
        self.linear = Linear(embedding_dim + in_width, width)

    def forward(
        self, x_BD: Float[Tensor, "B D"], scenario_B: Int[Tensor, "B"]
    ) -> Float[Tensor, "B S"]:
        """Return S of every row."""
        scenario_BE = self.scenario_embedding(scenario_B.long())
        return leaky_relu(self.linear(torch.cat([scenario_BE, x_BD], dim=-1)))


class TaskViews(nn.Module):
    """A view of every task, the same for all rows."""

    def __init__(self, num_tasks: int, embedding_dim: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_tasks, embedding_dim)
        self.linear = Linear(embedding_dim, width)

    def forward(self) -> Float[Tensor, "T H"]:
        """Return T_t of all tasks."""
        return leaky_relu(self.linear(self.embedding.weight))


class MetaUnit(nn.Module):
    """An MLP per task whose weights are generated for every row; all its layers have one width."""

    def __init__(self, width: int, knowledge_width: int, num_tasks: int, num_layers: int) -> None:
        super().__init__()
        self.width = width
        self.generators = nn.ModuleList(
            self._generator(width, knowledge_width, num_tasks) for _ in range(num_layers)
        )

    @staticmethod
    def _generator(width: int, knowledge_width: int, num_tasks: int) -> StackedLinear:
        """Return a layer from S to the rows of W and, as the last row, b."""
        generator = StackedLinear(knowledge_width, (width + 1) * width, num_tasks)
        bound = 1 / math.sqrt(width)  # of nn.Linear's weights
        assert generator.bias_LO is not None, "StackedLinear has one unless told otherwise"
        with torch.no_grad():
            generator.weight_LIO.mul_(bound)
            generator.bias_LO.uniform_(-bound, bound)
        return generator

    def forward(
        self, h_TBNI: Float[Tensor, "T B N I"], knowledge_BS: Float[Tensor, "B S"]
    ) -> Float[Tensor, "T B N I"]:
        """Apply each row's own weights to its N vectors."""
        for generator in self.generators:
            generated_TBC: Tensor = generator(knowledge_BS)
            generated_TBRI = torch.unflatten(generated_TBC, -1, (self.width + 1, self.width))
            weight_TBII = generated_TBRI[:, :, :-1]
            bias_TB1I = generated_TBRI[:, :, -1:]
            h_TBNI = leaky_relu(torch.matmul(h_TBNI, weight_TBII) + bias_TB1I)
        return h_TBNI


class MetaAttention(nn.Module):
    """The weight that each task gives to each expert's view of a row."""

    def __init__(self, width: int, knowledge_width: int, num_tasks: int, num_layers: int) -> None:
        super().__init__()
        self.unit = MetaUnit(2 * width, knowledge_width, num_tasks, num_layers)
        self.score = StackedLinear(2 * width, 1, num_tasks, bias=False)

    def forward(
        self,
        views_KBH: Float[Tensor, "K B H"],
        tasks_TH: Float[Tensor, "T H"],
        knowledge_BS: Float[Tensor, "B S"],
    ) -> Float[Tensor, "T B K"]:
        """Return weights that sum to 1 over the experts."""
        shape = (len(tasks_TH), views_KBH.shape[1], len(views_KBH), -1)
        views_TBKH = views_KBH.transpose(0, 1).unsqueeze(0).expand(shape)
        tasks_TBKH = tasks_TH[:, None, None].expand(shape)
        h_TBKI = self.unit(torch.cat([views_TBKH, tasks_TBKH], dim=-1), knowledge_BS)
        scores: Tensor = self.score(h_TBKI.flatten(1, 2))
        score_TBK = torch.unflatten(scores[:, :, 0], 1, shape[1:3])
        return score_TBK.softmax(dim=-1)


class MetaTower(nn.Module):
    """A tower per task of residual layers with generated weights, and a linear output."""

    def __init__(
        self, width: int, knowledge_width: int, num_tasks: int, *, unit_layers: int, num_layers: int
    ) -> None:
        super().__init__()
        self.units = nn.ModuleList(
            MetaUnit(width, knowledge_width, num_tasks, unit_layers) for _ in range(num_layers)
        )
        self.output = StackedLinear(width, 1, num_tasks)

    def forward(
        self, r_TBH: Float[Tensor, "T B H"], knowledge_BS: Float[Tensor, "B S"]
    ) -> Float[Tensor, "B T"]:
        """Return the logits of all tasks."""
        for unit in self.units:
            r_TBH = leaky_relu(unit(r_TBH.unsqueeze(2), knowledge_BS)[:, :, 0] + r_TBH)
        logits_TB1: Tensor = self.output(r_TBH)
        return logits_TB1[:, :, 0].T


class Model(nn.Module):
    """The scenario acts through generated weights alone: it is no input of the experts."""

    def __init__(self, config: Config, schema: Schema) -> None:
        super().__init__()
        self.schema = schema
        self.embedding = FeatureEmbedding(schema, config.embedding_dim)
        in_width = self.embedding.width
        width = config.expert.widths[-1]
        num_tasks = schema.num_tasks
        known = config.knowledge_width
        self.experts = Experts(
            in_width, config.expert.widths, config.num_experts, dropout=config.dropout
        )
        self.tasks = TaskViews(num_tasks, config.embedding_dim, width)
        self.knowledge = ScenarioKnowledge(
            in_width, config.embedding_dim, known, schema.num_scenarios
        )
        self.attention = MetaAttention(width, known, num_tasks, config.unit_layers)
        self.tower = MetaTower(
            width, known, num_tasks, unit_layers=config.unit_layers, num_layers=config.tower_layers
        )

    def forward(self, batch: Batch) -> Float[Tensor, "B T"]:
        """Return logits of each row's own scenario."""
        views_KBH, knowledge_BS, weight_TBK = self._attend(batch)
        logits_BT: Tensor = self.tower(mix(weight_TBK, views_KBH.unsqueeze(0)), knowledge_BS)
        return logits_BT

    def _attend(
        self, batch: Batch
    ) -> tuple[Float[Tensor, "K B H"], Float[Tensor, "B S"], Float[Tensor, "T B K"]]:
        """Return the experts' views, the knowledge, and the weight of each view for each task."""
        x_BD = self.embedding(batch)
        views_KBH = self.experts(x_BD)
        knowledge_BS = self.knowledge(x_BD, batch.scenario_B)
        return views_KBH, knowledge_BS, self.attention(views_KBH, self.tasks(), knowledge_BS)

    @torch.no_grad()
    def insight(self, batch: Batch) -> Insight:
        """Return the mean attention of every scenario and task on the rows of `batch`."""
        rows = rows_by_scenario(batch, self.schema.num_scenarios)
        _, _, weight_TBK = self._attend(rows.sort(batch))
        experts = numbered("expert", self.experts.num_experts)
        return Insight(gates=gate_usage(weight_TBK, rows.sizes, self.schema, experts))
