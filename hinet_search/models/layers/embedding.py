"""Feature embedding: turn a row's ids, lists, sequences and numeric inputs into one input vector x.

All vocabularies share one table, with an offset for each: one look-up and one gradient instead of
F. Entries of a list are ids of its item's field and use the same vectors, or the list has a
vocabulary of its own.
Shape legend: B rows, F categorical fields (plus the scenario, if it is a field), P lists of one
sequence, I of them of items, L slots of one list, S slots of all lists, E embedding width,
N numeric inputs, D width of x, V rows of the table, M looked-up rows with repetitions.
"""

from collections.abc import Iterator, Sequence
from itertools import accumulate

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import embedding

from hinet_search.data.schema import Schema, SequenceField
from hinet_search.models.layers.batch import Batch
from hinet_search.models.layers.number_encoding import make_number_encoding
from hinet_search.models.layers.pooling import make_pooling, make_reader

INITIAL_STD = 0.01
EPSILON = 1e-10  # keeps inputs finite that are all 0; new embeddings are about 1e-4
MOMENTUM = 0.01  # the share of the newest batch in the moving mean square


def look_up(
    table_VE: Float[Tensor, "V E"], rows: Int[Tensor, "*rows"], *, sparse_gradient: bool = False
) -> Float[Tensor, "*rows E"]:
    """Return the vector of every row number; a sparse gradient holds only the looked-up rows."""
    if table_VE.is_cuda or sparse_gradient:
        # On CUDA its gradient is summed in a fixed order; the gradient of index_select is not.
        return embedding(rows, table_VE, sparse=sparse_gradient)
    # On the CPU the numbers are the same and the gradient takes a third of the time.
    return table_VE.index_select(0, rows.flatten()).view(*rows.shape, table_VE.shape[1])


class EmbeddingTable(nn.Module):
    """One trainable vector per id of every field. The optimiser sets `sparse_gradient`."""

    def __init__(self, num_rows: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(num_rows, width).normal_(std=INITIAL_STD))
        self.sparse_gradient = False

    def forward(self, rows_BF: Int[Tensor, "B F"]) -> Float[Tensor, "B F E"]:
        """Return the vectors of the fields' row numbers."""
        return self.look_up(rows_BF)

    def look_up(self, rows: Int[Tensor, "*rows"]) -> Float[Tensor, "*rows E"]:
        """Return the vectors of rows of any shape, without calling forward hooks."""
        return look_up(self.weight, rows, sparse_gradient=self.sparse_gradient)


class FeatureEmbedding(nn.Module):
    """x = [embedding of every field, pooled lists, sequences as they are read, numbers].

    Its `width` D is F * E + `lists_width` + `numbers.width`: a list has the width E, a sequence E
    for each of its parts, and a number 1, with an encoding E + 1. An id at or beyond its field's
    vocabulary size becomes 0 = unknown: ids are in order of frequency, so a minimum frequency is a
    cut-off per vocabulary. In a list, 0 also marks an empty slot and is ignored. `with_scenario`
    appends the scenario as a field.
    """

    sizes_F: Tensor
    offsets_F: Tensor

    def __init__(self, schema: Schema, embedding_dim: int, *, with_scenario: bool = False) -> None:
        super().__init__()
        scenario_field = (schema.num_scenarios,) if with_scenario else ()
        sizes = [*schema.vocabulary_sizes, *scenario_field]
        offsets = list(accumulate(sizes, initial=0))[:-1]
        fields = [*range(schema.num_fields), *range(len(schema.vocabulary_sizes), len(sizes))]
        self.with_scenario = with_scenario
        self.num_fields = schema.num_fields
        self.lists = schema.pooled_lists
        self.sizes = sizes
        self.offsets = offsets
        sizes_F = torch.tensor([sizes[field] for field in fields], dtype=torch.int64)
        offsets_F = torch.tensor([offsets[field] for field in fields], dtype=torch.int64)
        self.register_buffer("sizes_F", sizes_F, persistent=False)
        self.register_buffer("offsets_F", offsets_F, persistent=False)
        self.table = EmbeddingTable(sum(sizes), embedding_dim)
        self.poolings = nn.ModuleList()
        self.sequences = nn.ModuleList()
        self.num_slots: list[int] = []
        for list_field in self.lists:
            self.poolings.append(make_pooling(list_field.pooling, embedding_dim))
            self.num_slots.append(list_field.length)
        for sequence in schema.sequences:
            self.sequences.append(SequenceEmbedding(schema, sequence, embedding_dim, offsets))
            self.num_slots.append(len(sequence.parts) * schema.length_of(sequence))
        self.lists_width = len(schema.lists) * embedding_dim
        self.numbers = make_number_encoding(
            schema.number_encodings, len(schema.numeric), embedding_dim
        )
        self.width = len(fields) * embedding_dim + self.lists_width + self.numbers.width
        self.scale = UnitScale() if schema.has_unit_scale else None

    def forward(self, batch: Batch) -> Float[Tensor, "B D"]:
        """Return the input vectors of the rows."""
        ids_BF = batch.ids_BF
        if self.with_scenario:
            ids_BF = torch.cat([ids_BF, batch.scenario_B.unsqueeze(-1)], dim=-1)
        known_BF = torch.where(ids_BF < self.sizes_F, ids_BF, 0)
        embedded_BFE: Tensor = self.table(known_BF + self.offsets_F)
        slots = torch.split(batch.lists_BS, self.num_slots, dim=1)
        pooled = self._pooled(slots[: len(self.lists)], embedded_BFE)
        read = [
            sequence(ids_BS, self.table, embedded_BFE)
            for sequence, ids_BS in zip(self.sequences, slots[len(self.lists) :], strict=True)
        ]
        fields_BD = embedded_BFE.flatten(start_dim=1)
        x_BD = torch.cat([fields_BD, *pooled, *read, self.numbers(batch.numeric_BN)], dim=-1)
        return x_BD if self.scale is None else self.scale(x_BD)

    def embedding_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield the parameters that belong to ids, by name; of readers and numbers are weights."""
        for name, parameter in self.named_parameters():
            if not name.startswith(("sequences.", "numbers.")):
                yield name, parameter

    def _pooled(
        self, slots: Sequence[Int[Tensor, "B _"]], embedded_BFE: Float[Tensor, "B F E"]
    ) -> list[Float[Tensor, "B E"]]:
        """Return one vector per list that is in no sequence."""
        pooled = []
        for position, ids_BL in enumerate(slots):
            field = self.lists[position].field
            pooling = self.poolings[position]
            known_BL = (ids_BL > 0) & (ids_BL < self.sizes[field])
            rows_BL = torch.where(known_BL, ids_BL, 0) + self.offsets[field]
            entries_BLE = self.table.look_up(rows_BL)
            item_BE = embedded_BFE[:, field] if field < self.num_fields else None
            pooled.append(pooling(entries_BLE, known_BL, item_BE))
        return pooled


class SequenceEmbedding(nn.Module):
    """The vector of a sequence: its parts looked up slot by slot, and read together.

    Unlike in a list, the unknown id of an item counts: the slot is an earlier row, if its gap says
    so.
    """

    sizes_P1: Tensor
    offsets_P1: Tensor

    def __init__(
        self, schema: Schema, sequence: SequenceField, embedding_dim: int, offsets: Sequence[int]
    ) -> None:
        super().__init__()
        fields = [schema.list_named(name).field for name in sequence.parts]
        self.fields = fields[: len(sequence.items)]
        sizes_P1 = torch.tensor(schema.vocabulary_sizes)[fields].unsqueeze(1)
        offsets_P1 = torch.tensor(offsets)[fields].unsqueeze(1)
        self.register_buffer("sizes_P1", sizes_P1, persistent=False)
        self.register_buffer("offsets_P1", offsets_P1, persistent=False)
        width = len(fields) * embedding_dim
        query_width = len(self.fields) * embedding_dim
        self.reader = make_reader(sequence.reader, query_width, width, schema.length_of(sequence))

    def forward(
        self,
        ids_BS: Int[Tensor, "B S"],
        table: EmbeddingTable,
        embedded_BFE: Float[Tensor, "B F E"],
    ) -> Float[Tensor, "B D"]:
        """Return one vector per row; as of lists, the embedding penalty does not apply."""
        ids_BPL = torch.unflatten(ids_BS, 1, (len(self.sizes_P1), -1))
        known_BPL = torch.where(ids_BPL < self.sizes_P1, ids_BPL, 0)
        parts_BPLE = table.look_up(known_BPL + self.offsets_P1)
        slots_BLD = parts_BPLE.transpose(1, 2).flatten(start_dim=2)
        query_BIE = torch.stack([embedded_BFE[:, field] for field in self.fields], dim=1)
        is_there_BL = ids_BPL[:, -1] > 0
        vector_BD: Tensor = self.reader(slots_BLD, is_there_BL, query_BIE.flatten(start_dim=1))
        return vector_BD


class UnitScale(nn.Module):
    """Divide by the root of the batch's mean square; in evaluation, of its mean over training.

    A penalty can then keep embeddings small without making x small, and embeddings stay as small
    beside numeric inputs as it makes them: normalising each column would undo that.
    Gradients take the root for a constant: x alone is learned, and a step costs hardly more.
    For the first 1 / MOMENTUM batches that is a plain mean over them.
    """

    mean_square: Tensor
    num_batches: Tensor
    reads_batch = True  # models/layers/contracts.py

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean_square", torch.ones(1))
        self.register_buffer("num_batches", torch.zeros(1, dtype=torch.int64))

    def forward(self, x_BD: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        """Return the scaled inputs; in training mode this updates the moving mean square."""
        mean_square = self.mean_square
        if self.training:
            numbers = x_BD.detach().reshape(-1)
            mean_square = torch.dot(numbers, numbers) / numbers.numel()
            self._move(mean_square)
        return x_BD * torch.rsqrt(mean_square + EPSILON)

    @torch.no_grad()
    def _move(self, mean_square: Float[Tensor, ""]) -> None:
        self.num_batches += 1
        share = (1 / self.num_batches.to(mean_square.dtype)).clamp(min=MOMENTUM)
        self.mean_square += share * (mean_square - self.mean_square)
