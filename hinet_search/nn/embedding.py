"""Feature embedding: the ids of a row become vectors, and with its numeric inputs one input vector x.

All fields share one table with an offset per field: one look-up and one gradient instead of F.
Shape legend: B rows, F categorical fields (the scenario may be one more), E embedding width, N numeric inputs, D width of x.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from hinet_search.schema import Batch, Schema

INITIAL_STD = 0.01


class FeatureEmbedding(nn.Module):
    """x = [embedding of every field, numeric inputs], of `width` F * embedding_dim + N.

    An id at or beyond its field's vocabulary size becomes 0 = unknown: a minimum frequency is a cut-off per field, and
    ids are in order of frequency. `with_scenario` appends the scenario as one more field.
    """

    sizes_F: Tensor
    offsets_F: Tensor

    def __init__(self, schema: Schema, embedding_dim: int, *, with_scenario: bool = False) -> None:
        super().__init__()
        scenario_field = (schema.num_scenarios,) if with_scenario else ()
        sizes = [*schema.vocabulary_sizes, *scenario_field]
        sizes_F = torch.tensor(sizes, dtype=torch.int64)
        self.with_scenario = with_scenario
        self.width = len(sizes) * embedding_dim + len(schema.numeric)
        self.register_buffer("sizes_F", sizes_F, persistent=False)
        self.register_buffer("offsets_F", sizes_F.cumsum(0) - sizes_F, persistent=False)
        self.table = nn.Embedding(sum(sizes), embedding_dim)
        nn.init.normal_(self.table.weight, std=INITIAL_STD)

    def forward(self, batch: Batch) -> Float[Tensor, "B D"]:
        """Input vectors of the rows."""
        ids_BF = batch.ids_BF
        if self.with_scenario:
            ids_BF = torch.cat([ids_BF, batch.scenario_B.unsqueeze(-1)], dim=-1)
        known_BF = torch.where(ids_BF < self.sizes_F, ids_BF, 0)
        embedded_BFE: Tensor = self.table(known_BF + self.offsets_F)
        return torch.cat([embedded_BFE.flatten(start_dim=1), batch.numeric_BN], dim=-1)
