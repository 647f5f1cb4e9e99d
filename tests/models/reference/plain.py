"""Common parts of the plain references: one row, one layer, one expert at a time."""

import torch
from reference.number_encoding import encoded
from reference.pooling import pooled
from reference.sequences import read
from torch import Tensor, nn

from hinet_search.data.schema import Schema
from hinet_search.models.layers.batch import Batch
from hinet_search.models.layers.embedding import FeatureEmbedding
from hinet_search.models.layers.experts import Experts, Gate, Towers
from hinet_search.models.layers.hidden_norm import NormalisedLayer, StackedLayerNorm


def input_vector(embedding: FeatureEmbedding, schema: Schema, batch: Batch, row: int) -> Tensor:
    sizes, ids = list(schema.vocabulary_sizes), batch.ids_BF[row].tolist()
    ids += [None] * (len(sizes) - len(ids))  # vocabularies of lists are no fields
    if embedding.with_scenario:
        sizes.append(schema.num_scenarios)
        ids.append(int(batch.scenario_B[row]))
    parts, first = [], 0
    for size, identifier in zip(sizes, ids, strict=True):
        if identifier is not None:
            parts.append(embedding.table.weight[first + (identifier if identifier < size else 0)])
        first += size
    lists = [*pooled(embedding, schema, batch, row), *read(embedding, schema, batch, row)]
    numbers = encoded(embedding.numbers, batch.numeric_BN[row], schema.number_encodings)
    return torch.cat([*parts, *lists, numbers])


def linear(layer: nn.Module, number: int, x: Tensor) -> Tensor:
    if isinstance(layer, NormalisedLayer):
        return normalised(layer, number, linear(layer.layer, number, x))
    if isinstance(layer, nn.Linear):
        return layer.weight @ x + layer.bias
    y = layer.weight_LIO[number].T @ x
    return y if layer.bias_LO is None else y + layer.bias_LO[number]


def normalised(layer: NormalisedLayer, number: int, y: Tensor) -> Tensor:
    """Return the outputs of a row of one layer, normalised as in evaluation."""
    if isinstance(layer.norm, StackedLayerNorm):
        mean = sum(y) / len(y)
        variance = sum((y - mean) ** 2) / len(y)
        gain = layer.norm.gain_change_N1O[number, 0] + 1
        return (y - mean) / (variance + 1e-5) ** 0.5 * gain + layer.norm.bias_N1O[number, 0]
    norm = layer.norm.columns
    group, place = divmod(number, layer.num_layers)
    own = slice(place * len(y), (place + 1) * len(y))
    gain, bias = norm.gamma_D[own], norm.beta_D[own]
    if norm.gamma_change_MD is not None:
        gain = gain * (1 + norm.gamma_change_MD[group, own])
        bias = bias + norm.beta_change_MD[group, own]
    z = (y - norm.mean_MD[group, own]) / (norm.variance_MD[group, own] + 1e-5) ** 0.5
    return z * gain + bias


def expert(experts: Experts, number: int, x: Tensor) -> Tensor:
    for layer in experts.layers:
        x = linear(layer, number, x).clamp(min=0)
    return x


def perceptron(layers: nn.Sequential, x: Tensor) -> Tensor:
    for layer in layers:
        if isinstance(layer, nn.Linear | NormalisedLayer):
            x = linear(layer, 0, x).clamp(min=0)
    return x


def only(outputs: Tensor) -> Tensor:
    """Return the output of a layer that has one."""
    (output,) = outputs
    return output


def gate(gates: Gate, number: int, x: Tensor) -> list[Tensor]:
    if gates.kind == "sum":
        return [x.new_tensor(1.0)] * gates.num_experts
    if gates.logits is None:
        return [x.new_tensor(1 / gates.num_experts)] * gates.num_experts
    logits = linear(gates.logits, number, x)
    if gates.kind == "relu_softmax":
        logits = logits.clamp(min=0)
    return softmax(list(logits))


def softmax(logits: list[Tensor]) -> list[Tensor]:
    if not logits:  # one scenario attends to no other
        return []
    largest = max(logits).detach()  # so that no power is infinite
    powers = [torch.exp(logit - largest) for logit in logits]
    return [power / sum(powers) for power in powers]


def weighted(weights: list[Tensor], vectors: list[Tensor]) -> Tensor:
    return sum(
        (weight * vector for weight, vector in zip(weights, vectors, strict=True)),
        torch.zeros_like(vectors[0]),
    )


def tower(towers: Towers, number: int, x: Tensor) -> Tensor:
    return only(linear(towers.output, number, expert(towers.hidden, number, x)))
