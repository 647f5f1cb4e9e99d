"""A list's entries pooled one by one; row numbers of the table are found as the fields find theirs."""

import math

import torch
from torch import Tensor

from hinet_search.nn.embedding import FeatureEmbedding
from hinet_search.schema import Batch, ListField, Schema


def pooled(embedding: FeatureEmbedding, schema: Schema, batch: Batch, row: int) -> list[Tensor]:
    """One vector per list of the schema."""
    vectors, first = [], 0
    for number, one in enumerate(schema.lists):
        slots = batch.lists_BS[row, first : first + one.length].tolist()
        vectors.append(_of_list(embedding, schema, one, number, slots, int(batch.ids_BF[row, one.field])))
        first += one.length
    return vectors


def _of_list(
    embedding: FeatureEmbedding, schema: Schema, one: ListField, number: int, slots: list[int], item: int
) -> Tensor:
    size, table = schema.vocabulary_sizes[one.field], embedding.table.weight
    offset = sum(schema.vocabulary_sizes[: one.field])
    entries = [table[offset + entry] for entry in slots if 0 < entry < size]
    if not entries:
        return torch.zeros_like(table[0])
    if one.pooling == "mean":
        return sum(entries[1:], entries[0]) / len(entries)
    item_E, weight_EE = table[offset + (item if item < size else 0)], embedding.poolings[number].weight_EE
    width = len(item_E)
    query = [sum(item_E[i] * weight_EE[i, j] for i in range(width)) for j in range(width)]
    powers = [torch.exp(sum(query[j] * entry[j] for j in range(width)) / math.sqrt(width)) for entry in entries]
    return sum(power / sum(powers) * entry for power, entry in zip(powers, entries, strict=True))
