"""SAN, the scenario-aware attentive network: what a scenario takes from the others (arXiv 2303.06095, section III-B).

A_i = sum over m != i of a_i[m] * S_m(x), a_i = softmax(W_i Emb(i)) over the M - 1 other scenarios. The weights depend
on the scenario only, so they are one M x M table with a diagonal of 0.
Shape legend: M scenarios, B rows sorted by scenario, D inputs, H width of S_m, P tables, R (row, scenario) pairs,
E embedding width.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate, pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from hinet_search.frozen import Count, Frozen
from hinet_search.nn.mixing import mix
from hinet_search.nn.sending import repeated
from hinet_search.nn.stacked import StackedLinear

Looked = tuple[tuple[int, ...], ...]  # by scenario, the numbers of those that it looks at
INITIAL_STD = 0.1  # attention starts close to uniform, no scenario is favoured by chance


class SANConfig(Frozen):
    """Options of SAN.

    `top_k`: after `warmup_passes` exact passes every scenario keeps the k others that it weighs most; the choice is
    frozen, the weights go on learning and are divided by their sum; a row then costs the same however many scenarios
    there are. `stop_gradient`: rows of scenario i do not train S_m of another scenario, which saves its backward pass.
    """

    enabled: bool = True
    embedding_dim: Count = 16
    hidden_widths: tuple[Count, ...] = ()
    top_k: Count | None = None
    warmup_passes: Count = 1
    stop_gradient: bool = False


class ScenarioAttention(nn.Module):
    """The table of attention weights: row = the scenario that looks, column = the scenario that it looks at."""

    kept_MM: Tensor
    chosen: Looked | None  # what `kept_MM` says, where the host reads it; None while all others are kept

    def __init__(self, num_scenarios: int, config: SANConfig) -> None:
        super().__init__()
        self.num_scenarios = num_scenarios
        others = num_scenarios - 1
        self.top_k = config.top_k if config.top_k is not None and config.top_k < others else None
        self.embedding = nn.Embedding(num_scenarios, config.embedding_dim)
        nn.init.normal_(self.embedding.weight, std=INITIAL_STD)
        widths = [config.embedding_dim, *config.hidden_widths]
        self.hidden = nn.ModuleList(nn.Linear(*step) for step in pairwise(widths))
        self.output = StackedLinear(widths[-1], others, num_scenarios, bias=False)
        others_MM = torch.ones(num_scenarios, num_scenarios, dtype=torch.bool).fill_diagonal_(fill_value=False)
        self.register_buffer("kept_MM", others_MM)
        self.chosen = None
        self.register_load_state_dict_post_hook(_note_chosen)  # type: ignore[no-untyped-call]  # torch has no types here

    def forward(self) -> Float[Tensor, "M M"]:
        """Rows sum to 1, the diagonal is exactly 0, and so is what top_k dropped."""
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
        """Writes the M - 1 weights of each row around its diagonal."""
        row_M1 = torch.arange(self.num_scenarios, device=others.device).unsqueeze(1)
        column = torch.arange(others.shape[1], device=others.device)
        return others.new_zeros(len(row_M1), len(row_M1)).scatter(1, column + (column >= row_M1), others)

    def choose(self) -> None:
        """Freezes which others each scenario keeps: its `top_k` largest weights. Choosing again changes nothing."""
        if self.top_k is None or self.chosen is not None:
            return
        with torch.no_grad():
            largest = self().topk(self.top_k, dim=-1).indices
            self.kept_MM.zero_().scatter_(-1, largest, value=True)
        _note_chosen(self)

    @property
    def reads_weights(self) -> bool:
        """Its largest weights say which scenarios are left."""
        return self.top_k is not None

    def needed_others(self) -> Looked | None:
        """Which others each scenario looks at once `choose` has dropped some; None when it is all of them."""
        return self.chosen


def _note_chosen(attention: ScenarioAttention, _missing: object = None) -> None:
    """Reads from the device which others are kept: when they are chosen or loaded, and not at every step."""
    kept = tuple(tuple(m for m, is_kept in enumerate(row) if is_kept) for row in attention.kept_MM.tolist())
    attention.chosen = kept if all(len(others) == attention.top_k for others in kept) else None


class BottleneckAttention(nn.Module):
    """SAN's table as in the code published with HiNet, to compare with: never a default.

    One ReLU unit lies between embedding and logits, logits are cut at 0, the softmax runs over all M scenarios, and the
    own one is set to 0 afterwards, so rows sum to less than 1.
    """

    def __init__(self, num_scenarios: int, config: SANConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_scenarios, config.embedding_dim)
        self.bottleneck = nn.Linear(config.embedding_dim, 1)
        self.output = nn.Linear(1, num_scenarios)

    def forward(self) -> Float[Tensor, "M M"]:
        """The diagonal is exactly 0, rows sum to less than 1."""
        unit_M1 = torch.relu(self.bottleneck(self.embedding.weight))
        table_MM = torch.relu(self.output(unit_M1)).softmax(dim=-1)
        return table_MM * (1 - torch.eye(table_MM.shape[0], dtype=table_MM.dtype, device=table_MM.device))

    def choose(self) -> None:
        """Nothing to choose: this table looks at all scenarios."""

    def needed_others(self) -> None:
        """All of them."""


def weighted_sums(
    integrate: Callable[[Tensor, Sequence[int] | None], Tensor],
    x_BD: Float[Tensor, "B D"],
    sizes: Sequence[int],
    tables_PMM: Float[Tensor, "P M M"],
    needed: Looked | None = None,
) -> Float[Tensor, "P B H"]:
    """For each table, the sum over m of table[i, m] * S_m(x) for every row x of scenario i.

    `integrate` is the Mixture of all S_m. Without `needed` every S_m is computed for every row; with it S_m only for the
    rows of scenarios i that need it (m in needed[i]): a row then costs what its scenario needs, whatever M is.
    """
    weights_PBM = tables_PMM[:, repeated(range(len(sizes)), sizes, x_BD.device)]
    if needed is None:
        return mix(weights_PBM, integrate(x_BD, None).unsqueeze(0))
    column_R, row_R, sizes_of_columns = _pairs(sizes, needed, x_BD.device)
    s_RH = integrate(x_BD[row_R], sizes_of_columns)[0]
    weighted_PRH = weights_PBM[:, row_R, column_R].unsqueeze(-1) * s_RH
    sums_PBH = weighted_PRH.new_zeros(len(tables_PMM), len(x_BD), s_RH.shape[-1])
    return sums_PBH.index_add(1, row_R, weighted_PRH)


def _pairs(
    sizes: Sequence[int], needed: Looked, device: torch.device
) -> tuple[Int[Tensor, "R"], Int[Tensor, "R"], list[int]]:
    """Every (m, row) such that the row needs S_m: all rows that need S_0, then all that need S_1, ...; how many of each."""
    scenarios: list[list[int]] = [[] for _ in sizes]  # which need S_m
    for i, looked_at in enumerate(needed):
        for m in looked_at:
            scenarios[m].append(i)
    runs = [(m, i) for m, those in enumerate(scenarios) for i in those]
    lengths, first_row = [sizes[i] for _, i in runs], list(accumulate(sizes, initial=0))
    # row = first row of the run's scenario + place within the run
    shifts = [first_row[i] - place for (_, i), place in zip(runs, accumulate(lengths, initial=0), strict=False)]
    place_R = torch.arange(sum(lengths), device=device)
    columns = repeated([m for m, _ in runs], lengths, device)
    return columns, place_R + repeated(shifts, lengths, device), [sum(sizes[i] for i in those) for those in scenarios]
