"""SAN, the scenario-aware attentive network: attention of a scenario to the other scenarios.

A_i = sum over m != i of a_i[m] * S_m(x), a_i = softmax(W_i Emb(i)) over the M - 1 other scenarios
(arXiv 2303.06095, section III-B). The weights depend only on the scenario, so they form one M x M
table with a diagonal of 0.
Shape legend: M scenarios, B rows sorted by scenario, D inputs, H width of S_m, P tables, K places
(scenarios that a row needs), R = K * B (place, row) pairs, E embedding width.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, compress, pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from hinet_search.common.frozen_model import Count, Frozen, Layers
from hinet_search.models.layers.batch import repeat_each, to_device
from hinet_search.models.layers.experts import mix
from hinet_search.models.layers.linear import StackedLinear

AttendedScenarios = tuple[tuple[int, ...], ...]  # for each scenario, those that it attends to
INITIAL_STD = 0.1  # attention starts close to uniform, so that chance favours no scenario


class SANConfig(Frozen):
    """Options of SAN.

    `top_k`: after `warmup_epochs` every scenario keeps only the k others with the largest
    weights. The choice is final; the weights still learn and are divided by their sum. The cost of
    a row then does not depend on the number of scenarios.
    """

    enabled: bool = True
    embedding_dim: Count = 16
    hidden_widths: Layers = ()
    top_k: Count | None = None
    warmup_epochs: Count = 1


class ScenarioAttention(nn.Module):
    """The table of attention weights: row i holds the weights that scenario i gives to others.

    `chosen` is a copy of the buffer `kept_MM` on the host, None while all others are kept.
    """

    kept_MM: Tensor
    chosen: AttendedScenarios | None

    def __init__(self, num_scenarios: int, config: SANConfig) -> None:
        super().__init__()
        self.num_scenarios = num_scenarios
        num_others = num_scenarios - 1
        keeps_all = config.top_k is None or config.top_k >= num_others
        self.top_k = None if keeps_all else config.top_k
        self.embedding = nn.Embedding(num_scenarios, config.embedding_dim)
        nn.init.normal_(self.embedding.weight, std=INITIAL_STD)
        widths = [config.embedding_dim, *config.hidden_widths]
        self.hidden = nn.ModuleList(nn.Linear(*step) for step in pairwise(widths))
        self.output = StackedLinear(widths[-1], num_others, num_scenarios, bias=False)
        others_MM = torch.ones(num_scenarios, num_scenarios, dtype=torch.bool)
        self.register_buffer("kept_MM", others_MM.fill_diagonal_(fill_value=False))
        self.chosen = None
        self.register_load_state_dict_post_hook(_read_chosen)  # type: ignore[no-untyped-call]

    def forward(self) -> Float[Tensor, "M M"]:
        """Return the table; rows sum to 1, the diagonal and what top_k dropped are exactly 0."""
        hidden_ME = self.embedding.weight
        for layer in self.hidden:
            hidden_ME = torch.relu(layer(hidden_ME))
        logits: Tensor = self.output(hidden_ME.unsqueeze(1))
        table_MM = self._off_diagonal(logits[:, 0].softmax(dim=-1))
        if self.top_k is None:
            return table_MM
        kept_MM = table_MM * self.kept_MM
        return kept_MM / kept_MM.sum(dim=-1, keepdim=True)

    def _off_diagonal(self, others: Float[Tensor, "M others"]) -> Float[Tensor, "M M"]:
        """Return a table with the M - 1 weights of each row around its diagonal of 0."""
        row_M1 = torch.arange(self.num_scenarios, device=others.device).unsqueeze(1)
        number = torch.arange(others.shape[1], device=others.device)
        column = number + (number >= row_M1)
        return others.new_zeros(len(row_M1), len(row_M1)).scatter(1, column, others)

    def choose(self) -> None:
        """Fix the others that each scenario keeps, those with its `top_k` largest weights.

        A second call changes nothing.
        """
        if self.top_k is None or self.chosen is not None:
            return
        with torch.no_grad():
            largest = self().topk(self.top_k, dim=-1).indices
            self.kept_MM.zero_().scatter_(-1, largest, value=True)
        _read_chosen(self)

    @property
    def reads_weights(self) -> bool:
        """True with `top_k`: the weights decide which scenarios are kept."""
        return self.top_k is not None

    def needed_others(self) -> AttendedScenarios | None:
        """Return the others that each scenario attends to, None before `choose` has dropped any."""
        return self.chosen


def _read_chosen(attention: ScenarioAttention, _missing: object = None) -> None:
    """Copy the kept scenarios to the host, once after a choice or a load instead of every step."""
    scenarios = range(attention.num_scenarios)
    kept = tuple(tuple(compress(scenarios, row)) for row in attention.kept_MM.tolist())
    has_chosen = all(len(others) == attention.top_k for others in kept)
    attention.chosen = kept if has_chosen else None


class BottleneckAttention(nn.Module):
    """SAN's table as in the code published with HiNet, only for comparison.

    One ReLU unit lies between embedding and logits, negative logits are cut to 0, the softmax is
    over all M scenarios, and the diagonal is set to 0 afterwards, so rows sum to less than 1.
    """

    def __init__(self, num_scenarios: int, config: SANConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_scenarios, config.embedding_dim)
        self.bottleneck = nn.Linear(config.embedding_dim, 1)
        self.output = nn.Linear(1, num_scenarios)

    def forward(self) -> Float[Tensor, "M M"]:
        """Return the table; the diagonal is exactly 0, rows sum to less than 1."""
        unit_M1 = torch.relu(self.bottleneck(self.embedding.weight))
        table_MM = torch.relu(self.output(unit_M1)).softmax(dim=-1)
        diagonal_MM = torch.eye(len(table_MM), dtype=table_MM.dtype, device=table_MM.device)
        return table_MM * (1 - diagonal_MM)

    def choose(self) -> None:
        """Do nothing: this table always attends to all scenarios."""

    def needed_others(self) -> None:
        """Return None: every scenario attends to all others."""


def weighted_sums(
    mixture: Callable[[Tensor, Sequence[int] | None], Tensor],
    x_BD: Float[Tensor, "B D"],
    sizes: Sequence[int],
    tables_PMM: Float[Tensor, "P M M"],
    needed: AttendedScenarios | None = None,
) -> Float[Tensor, "P B H"]:
    """Return, for each table, the sum over m of table[i, m] * S_m(x) for every row x of scenario i.

    `mixture` is the Mixture of all S_m. Without `needed` every S_m is computed for every row. With
    it, S_m is computed only for rows of scenarios i with m in needed[i], which has equally many for
    every i, so that the cost of a row does not depend on M. Gradients are the same bit for bit on
    every run, on any device: no index names a row twice, so none is added up in arbitrary order.
    """
    if needed is None:
        return mix(_of_rows(tables_PMM, sizes), mixture(x_BD, None).unsqueeze(0))
    pairs = _needed_pairs(sizes, needed, x_BD.device)
    num_needed = len(needed[0])
    every_RD = x_BD.expand(num_needed, -1, -1).flatten(0, 1)
    s_RH = mixture(every_RD.index_select(0, pairs.by_column_R), pairs.num_rows_by_column)[0]
    s_KBH = s_RH.index_select(0, pairs.by_place_R).view(num_needed, -1, s_RH.shape[1])
    number_MK = to_device(torch.tensor(needed), x_BD.device)
    weights_PMK = tables_PMM.gather(2, number_MK.expand(len(tables_PMM), -1, -1))
    return mix(_of_rows(weights_PMK, sizes), s_KBH.unsqueeze(0))


def _of_rows(tables_PMK: Float[Tensor, "P M K"], sizes: Sequence[int]) -> Float[Tensor, "P B K"]:
    """Return the row of each table for the scenario of every row: a copy, so gradients add up."""
    runs = [
        row_P1K.expand(-1, size, -1)
        for row_P1K, size in zip(torch.split(tables_PMK, 1, dim=1), sizes, strict=True)
    ]
    return torch.cat(runs, dim=1)


@dataclass(frozen=True)
class _Pairs:
    """The (place, row) pairs of all rows with the K scenarios that they need, in two orders.

    By place: all rows with the first scenario that each needs, then with the second, and so on. By
    column: all rows that need S_0, then all that need S_1. Each index leads to one order from the
    other.
    """

    by_column_R: Int[Tensor, "R"]
    by_place_R: Int[Tensor, "R"]
    num_rows_by_column: list[int]


def _needed_pairs(sizes: Sequence[int], needed: AttendedScenarios, device: torch.device) -> _Pairs:
    """Return the pairs of rows of scenario i with the scenarios in `needed[i]`."""
    num_rows = sum(sizes)
    first_rows = list(accumulate(sizes, initial=0))
    runs_by_column: list[list[tuple[int, int]]] = [[] for _ in sizes]  # (scenario, place)
    for scenario, others in enumerate(needed):
        for place, m in enumerate(others):
            runs_by_column[m].append((scenario, place))
    lengths = []
    shifts = []
    num_rows_by_column = []
    position = 0
    for runs in runs_by_column:
        column_start = position
        for scenario, place in runs:
            # The pair at position p by column is p + shift by place, while p is in this run.
            lengths.append(sizes[scenario])
            shifts.append(place * num_rows + first_rows[scenario] - position)
            position += sizes[scenario]
        num_rows_by_column.append(position - column_start)
    position_R = torch.arange(position, device=device)
    by_column_R = position_R + repeat_each(shifts, lengths, device)
    by_place_R = torch.zeros_like(position_R).scatter(0, by_column_R, position_R)
    return _Pairs(by_column_R, by_place_R, num_rows_by_column)
