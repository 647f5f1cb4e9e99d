"""Feature embedding: the ids of a row become vectors, and with its numeric inputs one input vector x.

All fields share one table with an offset per field: one look-up and one gradient instead of F. The entries of a list
are ids of its item's field and look up the same vectors.
Shape legend: B rows, F categorical fields (the scenario may be one more), P lists, L slots of one list, S slots of all,
E embedding width, N numeric inputs, D width of x, V rows of the table.
"""

from itertools import accumulate

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import embedding

from hinet_search.nn.pooling import make_pooling
from hinet_search.schema import Batch, Schema

INITIAL_STD = 0.01


def look_up(
    table_VE: Float[Tensor, "V E"], rows: Int[Tensor, "*rows"], *, sparse_gradient: bool = False
) -> Float[Tensor, "*rows E"]:
    """The vector of every row number; a sparse gradient holds the looked-up rows alone."""
    if table_VE.is_cuda or sparse_gradient:
        # its gradient is summed in a fixed order on CUDA, that of index_select is not
        return embedding(rows, table_VE, sparse=sparse_gradient)
    # on CPU the same numbers, and the gradient takes a third of the time
    return table_VE.index_select(0, rows.flatten()).view(*rows.shape, table_VE.shape[1])


class Table(nn.Module):
    """One trainable vector per id of every field. Its optimiser says whether `sparse_gradient` is what it needs."""

    def __init__(self, num_rows: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(num_rows, width).normal_(std=INITIAL_STD))
        self.sparse_gradient = False

    def forward(self, rows_BF: Int[Tensor, "B F"]) -> Float[Tensor, "B F E"]:
        """The vectors of the fields' row numbers."""
        return self.look_up(rows_BF)

    def look_up(self, rows: Int[Tensor, "*rows"]) -> Float[Tensor, "*rows E"]:
        """As forward, for rows of any shape and unheard by hooks."""
        return look_up(self.weight, rows, sparse_gradient=self.sparse_gradient)


class FeatureEmbedding(nn.Module):
    """x = [embedding of every field, pooled lists, numeric inputs], of `width` (F + P) * embedding_dim + N.

    An id at or beyond its field's vocabulary size becomes 0 = unknown: a minimum frequency is a cut-off per field, and
    ids are in order of frequency. In a list 0 is an empty slot as well, so there it counts for nothing.
    `with_scenario` appends the scenario as one more field.
    """

    sizes_F: Tensor
    offsets_F: Tensor

    def __init__(self, schema: Schema, embedding_dim: int, *, with_scenario: bool = False) -> None:
        super().__init__()
        scenario_field = (schema.num_scenarios,) if with_scenario else ()
        sizes = [*schema.vocabulary_sizes, *scenario_field]
        self.with_scenario = with_scenario
        self.lists = schema.lists
        self.width = (len(sizes) + len(schema.lists)) * embedding_dim + len(schema.numeric)
        self.register_buffer("sizes_F", torch.tensor(sizes, dtype=torch.int64), persistent=False)
        offsets = list(accumulate(sizes, initial=0))[:-1]
        self.register_buffer("offsets_F", torch.tensor(offsets, dtype=torch.int64), persistent=False)
        self.table = Table(sum(sizes), embedding_dim)
        self.poolings = nn.ModuleList(make_pooling(one.pooling, embedding_dim) for one in schema.lists)

    def forward(self, batch: Batch) -> Float[Tensor, "B D"]:
        """Input vectors of the rows."""
        ids_BF = batch.ids_BF
        if self.with_scenario:
            ids_BF = torch.cat([ids_BF, batch.scenario_B.unsqueeze(-1)], dim=-1)
        known_BF = torch.where(ids_BF < self.sizes_F, ids_BF, 0)
        embedded_BFE: Tensor = self.table(known_BF + self.offsets_F)
        pooled = self._pooled(batch.lists_BS, embedded_BFE)
        return torch.cat([embedded_BFE.flatten(start_dim=1), *pooled, batch.numeric_BN], dim=-1)

    def _pooled(self, lists_BS: Int[Tensor, "B S"], embedded_BFE: Float[Tensor, "B F E"]) -> list[Float[Tensor, "B E"]]:
        """One vector per list; its entries are looked up past `table`'s hooks: a penalty is on fields alone."""
        slots = torch.split(lists_BS, [one.length for one in self.lists], dim=1)
        pooled = []
        for one, pooling, ids_BL in zip(self.lists, self.poolings, slots, strict=True):
            known_BL = (ids_BL > 0) & (ids_BL < self.sizes_F[one.field])
            rows_BL = torch.where(known_BL, ids_BL, 0) + self.offsets_F[one.field]
            entries_BLE = self.table.look_up(rows_BL)
            pooled.append(pooling(entries_BLE, known_BL, embedded_BFE[:, one.field]))
        return pooled
