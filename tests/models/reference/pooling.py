"""A list's entries pooled one by one."""

import math

import torch
from torch import Tensor

from hinet_search.data.schema import ListField, Schema
from hinet_search.models.layers.batch import Batch
from hinet_search.models.layers.embedding import FeatureEmbedding


def pooled(embedding: FeatureEmbedding, schema: Schema, batch: Batch, row: int) -> list[Tensor]:
    """Return one vector per list of the schema that is in no sequence."""
    vectors, first = [], 0
    for number, list_field in enumerate(schema.pooled_lists):
        slots = batch.lists_BS[row, first : first + list_field.length].tolist()
        has_item = list_field.field < len(schema.categorical)
        item = int(batch.ids_BF[row, list_field.field]) if has_item else 0
        vectors.append(_of_list(embedding, schema, list_field, number, slots, item))
        first += list_field.length
    return vectors


def _of_list(
    embedding: FeatureEmbedding,
    schema: Schema,
    list_field: ListField,
    number: int,
    slots: list[int],
    item: int,
) -> Tensor:
    size, table = schema.vocabulary_sizes[list_field.field], embedding.table.weight
    offset = sum(schema.vocabulary_sizes[: list_field.field])
    entries = [table[offset + entry] for entry in slots if 0 < entry < size]
    if not entries:
        return torch.zeros_like(table[0])
    if list_field.pooling == "mean":
        return sum(entries[1:], entries[0]) / len(entries)
    item_E = table[offset + (item if item < size else 0)]
    weight_EE = embedding.poolings[number].weight_EE
    width = len(item_E)
    query = [sum(item_E[i] * weight_EE[i, j] for i in range(width)) for j in range(width)]
    powers = [
        torch.exp(sum(query[j] * entry[j] for j in range(width)) / math.sqrt(width))
        for entry in entries
    ]
    return sum(power / sum(powers) * entry for power, entry in zip(powers, entries, strict=True))
