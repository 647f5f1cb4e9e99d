"""A sequence read one slot at a time."""

import math

import torch
from torch import Tensor

from hinet_search.data.schema import Schema
from hinet_search.models.layers.batch import Batch
from hinet_search.models.layers.embedding import FeatureEmbedding
from hinet_search.models.layers.pooling import AttentionReader, Reader, TransformerReader


def read(embedding: FeatureEmbedding, schema: Schema, batch: Batch, row: int) -> list[Tensor]:
    """Return one vector per sequence of the schema."""
    vectors, first = [], sum(list_field.length for list_field in schema.pooled_lists)
    for sequence, embedded in zip(schema.sequences, embedding.sequences, strict=True):
        length = schema.length_of(sequence)
        num_slots = length * len(sequence.parts)
        ids = batch.lists_BS[row, first : first + num_slots].tolist()
        first += num_slots
        fields = [schema.list_named(name).field for name in sequence.parts]

        def vector(identifiers: list[int], fields: list[int] = fields) -> Tensor:
            pairs = zip(fields, identifiers, strict=False)
            return torch.cat([_vector(embedding, schema, *pair) for pair in pairs])

        own = [int(batch.ids_BF[row, field]) for field in fields[: len(sequence.items)]]
        slots = [ids[slot::length] for slot in range(length)]
        there = [vector(slot) if slot[-1] > 0 else None for slot in slots]
        vectors.append(_read(embedded.reader, vector(own), there, vector([0] * len(fields))))
    return vectors


def _read(reader: Reader, query: Tensor, slots: list[Tensor | None], some: Tensor) -> Tensor:
    """Return the vector of slots, which are None without a row; it is of the shape of `some`."""
    if isinstance(reader, TransformerReader):
        return transformed(reader, query, slots)
    there, nothing = [slot for slot in slots if slot is not None], torch.zeros_like(some)
    if isinstance(reader, AttentionReader):
        return sum((weight(reader, query, slot) * slot for slot in there), nothing)
    return sum(there, nothing) / max(len(there), 1)


def _vector(embedding: FeatureEmbedding, schema: Schema, field: int, identifier: int) -> Tensor:
    sizes = schema.vocabulary_sizes
    known = identifier if identifier < sizes[field] else 0
    return embedding.table.weight[sum(sizes[:field]) + known]


def weight(reader: AttentionReader, query: Tensor, slot: Tensor) -> Tensor:
    """Return the weight of a slot: an MLP of [q, k, q - k, q * k] and the rest of the slot.

    The weights of q - k are zeros here, as they are part of those of q and of k.
    """
    width = len(query)
    items, rest = slot[:width], slot[width:]
    of_product, of_items, of_rest = reader.of_slots.weight.split([width, width, len(rest)], dim=1)
    whole = torch.cat(
        [reader.of_query.weight, of_items, torch.zeros_like(of_items), of_product, of_rest], dim=1
    )
    compared = torch.cat([query, items, query - items, query * items, rest])
    hidden = (whole @ compared + reader.of_query.bias).clamp(min=0)
    return reader.weight.weight[0] @ hidden + reader.weight.bias[0]


def transformed(reader: TransformerReader, query: Tensor, slots: list[Tensor | None]) -> Tensor:
    """Return the output at the query of a block in which every token has its key and value."""
    width = reader.positions_TD.shape[1]
    own = torch.cat([query, query.new_zeros(width - len(query))])
    tokens = [
        token + reader.positions_TD[position]
        for position, token in enumerate([own, *slots])
        if token is not None
    ]
    asking = reader.query.weight @ tokens[0]
    powers = [
        torch.exp(asking @ (reader.key.weight @ token) / math.sqrt(width)) for token in tokens
    ]
    attended = sum(
        power / sum(powers) * (reader.value.weight @ token)
        for power, token in zip(powers, tokens, strict=True)
    )
    h = _normed(reader.norm, tokens[0] + attended)
    hidden = reader.hidden.weight @ h + reader.hidden.bias
    hidden = torch.where(hidden > 0, hidden, 0.01 * hidden)
    return _normed(reader.output_norm, h + reader.output.weight @ hidden + reader.output.bias)


def _normed(norm: torch.nn.LayerNorm, x: Tensor) -> Tensor:
    mean = sum(x) / len(x)
    variance = sum((each - mean) ** 2 for each in x) / len(x)
    return (x - mean) / torch.sqrt(variance + norm.eps) * norm.weight + norm.bias
