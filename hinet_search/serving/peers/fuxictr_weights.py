"""FuxiCTR's weights: those of a network under the names that FuxiCTR's has, where it is the same.

Its numbers are features of one weight, or, where a model stacks all features, of a vector as wide
as embeddings; then the first entry is the number, and the others are 0.
Shape legend: V rows of a table, E embedding width, O outputs and I inputs of a layer, D width of x,
N hidden layers, K experts, R rank.
"""

from collections.abc import Iterator, Sequence
from itertools import chain

import torch
from torch import Tensor

from hinet_search.data.peers.rules import Unread
from hinet_search.serving.peers.winner import Winner

State = dict[str, Tensor]
Layer = tuple[Tensor, Tensor]  # weight (O, I), bias (O,)


def other_functions(winner: Winner, model: str) -> Iterator[Unread]:
    """Yield why FuxiCTR's network is another function of the inputs, whatever its weights are."""
    num_scenarios = winner.schema.num_scenarios
    if num_scenarios > 1 and model != "PPNet":
        what = "gates and towers" if model in ("MMoE", "PLE") else "towers"
        yield Unread(what, f"are of a task there, of {num_scenarios} scenarios and a task here")
    if model == "PLE" and winner.architecture.num_levels > 1:
        yield Unread("shared gates of PLE", "mix the shared experts alone there")
    if model == "PPNet":
        yield Unread("EPNet", "is not there: the scenario is one more feature")
        yield Unread("prior of gates", "has embeddings of its own there")
    if model == "FinalMLP":
        yield Unread("weights of FinalMLP", "are not converted")
    if model == "DCNv2":
        yield from _other_crosses(winner)


def _other_crosses(winner: Winner) -> Iterator[Unread]:
    cross = winner.architecture.cross
    if cross.kind == "low_rank":
        yield Unread("model.cross.kind", "experts of low rank have tanh there", (cross.kind,))
    if cross.kind != "full" and 1 not in (cross.num_experts, cross.num_layers):
        yield Unread("gates of crosses", "are the same in all layers there")
    widths = winner.architecture.tower.widths
    if widths:
        yield Unread("model.tower.widths", "towers are linear there", (widths,))


def state_of(winner: Winner, model: str) -> State:
    """Return all weights of FuxiCTR's network."""
    networks = {"ShareBottom": _shared_bottom, "MMoE": _mmoe, "PLE": _ple, "DCNv2": _dcn_v2}
    is_stacked = model != "DCNv2"
    state = _embeddings(winner, is_stacked=is_stacked)
    state |= networks[model](winner, _Inputs(winner, is_stacked))
    return {name: tensor.detach().clone().contiguous() for name, tensor in state.items()}


class _Inputs:
    """Puts the weights of our inputs where FuxiCTR has these."""

    def __init__(self, winner: Winner, is_stacked: bool) -> None:  # noqa: FBT001
        features = winner.columns.features
        width = winner.architecture.embedding_dim
        widths = [width if each.kind != "numeric" or is_stacked else 1 for each in features]
        ours = [1 if each.kind == "numeric" else width for each in features]
        starts = [sum(widths[:place]) for place in range(len(widths))]
        pairs = zip(starts, ours, strict=True)
        self.place_D = torch.tensor([start + at for start, size in pairs for at in range(size)])
        self.width = sum(widths)

    def of(self, weight_OD: Tensor) -> Tensor:
        """Return the weights with a 0 for what ours do not have."""
        wide = weight_OD.new_zeros(len(weight_OD), self.width)
        wide[:, self.place_D] = weight_OD
        return wide


def _embeddings(winner: Winner, *, is_stacked: bool) -> State:
    """Return tables: the row of empty slots, those of values, and that of unknown values."""
    embedding = winner.network.embedding
    scale = winner.scale
    table_VE = embedding.table.weight * scale
    width = table_VE.shape[1]
    sizes = [*winner.schema.vocabulary_sizes, winner.schema.num_scenarios]
    tables = torch.split(table_VE, sizes if embedding.with_scenario else sizes[:-1])
    numbers = dict(zip(winner.schema.vocabularies, tables, strict=False))
    state: State = {}
    empty_1E = table_VE.new_zeros(1, width)
    for feature in winner.columns.features:
        name = f"embedding_layer.embedding_layer.embedding_layers.{feature.name}.weight"
        if feature.kind == "numeric":
            state[name] = torch.eye(width if is_stacked else 1, 1) * scale
        elif feature.is_scenario:
            state[name] = torch.cat([empty_1E, tables[-1], empty_1E])
        elif feature.shared_with:
            state[name] = state[name.replace(f".{feature.name}.", f".{feature.shared_with}.")]
        else:
            ours_VE = numbers[feature.origin]
            state[name] = torch.cat([empty_1E, ours_VE[1:], ours_VE[:1]])
    return state


def _mlp(winner: Winner, name: str, hidden: Sequence[Layer], output: Sequence[Layer] = ()) -> State:
    """Name the layers of one of its MLPs, in which activation and dropout have numbers too."""
    step = 3 if winner.settings["model.dropout"] else 2
    numbers = range(0, step * (len(hidden) + 1), step)
    state: State = {}
    for number, (weight_OI, bias_O) in zip(numbers, chain(hidden, output), strict=False):
        state[f"{name}.mlp.{number}.weight"] = weight_OI
        state[f"{name}.mlp.{number}.bias"] = bias_O
    return state


def _stack(experts: object, number: int, inputs: _Inputs | None = None) -> list[Layer]:
    """Return the layers of one of the MLPs that are computed together."""
    stacks = experts.layers  # type: ignore[attr-defined]
    layers = [(each.weight_LIO[number].T, each.bias_LO[number]) for each in stacks]
    if inputs is not None:
        layers[0] = (inputs.of(layers[0][0]), layers[0][1])
    return layers


def _gate(winner: Winner, name: str, gate: object, number: int, inputs: _Inputs) -> State:
    """Return a gate; one over a single expert has no weights here."""
    num_experts = gate.num_experts  # type: ignore[attr-defined]
    logits = gate.logits  # type: ignore[attr-defined]
    weight_KD = torch.zeros(num_experts, len(inputs.place_D))
    if logits is not None:
        weight_KD = logits.weight_LIO[number].T
    return _mlp(winner, name, [], [(inputs.of(weight_KD), torch.zeros(num_experts))])


def _towers(winner: Winner) -> State:
    towers = winner.network.towers
    state: State = {}
    for task in range(winner.schema.num_tasks):
        output = (towers.output.weight_LIO[task].T, towers.output.bias_LO[task])
        state |= _mlp(winner, f"tower.{task}", _stack(towers.hidden, task), [output])
    return state


def _plain(layers: Sequence[object], inputs: _Inputs) -> list[Layer]:
    """Return the linear layers of an MLP of our own."""
    linear = [each for each in layers if hasattr(each, "weight")]
    pairs = [(each.weight, each.bias) for each in linear]  # type: ignore[attr-defined]
    return [(inputs.of(pairs[0][0]), pairs[0][1]), *pairs[1:]]


def _shared_bottom(winner: Winner, inputs: _Inputs) -> State:
    return _mlp(winner, "bottom", _plain(winner.network.trunk, inputs)) | _towers(winner)


def _mmoe(winner: Winner, inputs: _Inputs) -> State:
    network = winner.network
    state = _towers(winner)
    for expert in range(network.experts.num_experts):
        layers = _stack(network.experts, expert, inputs)
        state |= _mlp(winner, f"mmoe_layer.experts.{expert}", layers)
    for task in range(winner.schema.num_tasks):
        state |= _gate(winner, f"mmoe_layer.gate.{task}", network.gate, task, inputs)
    return state


def _ple(winner: Winner, inputs: _Inputs) -> State:
    """Return the only level; its gates see specific experts first, and one gate is of no use."""
    level = winner.network.cgc.last
    layer = "cgc_layers.0"
    state = _towers(winner)
    num_tasks = winner.schema.num_tasks
    for expert in range(level.num_shared):
        layers = _stack(level.shared, expert, inputs)
        state |= _mlp(winner, f"{layer}.shared_experts.{expert}", layers)
    for task in range(num_tasks):
        for expert in range(level.num_specific):
            layers = _stack(level.specific, task * level.num_specific + expert, inputs)
            state |= _mlp(winner, f"{layer}.specific_experts.{task}.{expert}", layers)
        gate = _gate(winner, f"{layer}.gate.{task}", level.gate, task, inputs)
        state |= {name: tensor.roll(-level.num_shared, 0) for name, tensor in gate.items()}
    unused = (torch.zeros(level.num_shared, inputs.width), torch.zeros(level.num_shared))
    return state | _mlp(winner, f"{layer}.gate.{num_tasks}", [], [unused])


def _dcn_v2(winner: Winner, inputs: _Inputs) -> State:
    network = winner.network
    state: State = {}
    for number, layer in enumerate(network.cross.layers):
        if winner.architecture.cross.kind == "full":
            state[f"crossnet.cross_layers.{number}.weight"] = layer.weight
            state[f"crossnet.cross_layers.{number}.bias"] = layer.bias
            continue
        rank, num_experts = winner.architecture.cross.rank, layer.gate.num_experts
        state[f"crossnet.V_list.{number}"] = layer.down.weight_LIO
        state[f"crossnet.C_list.{number}"] = layer.core.weight_LIO.transpose(1, 2)
        state[f"crossnet.U_list.{number}"] = layer.up.weight.unflatten(1, (-1, rank)).transpose(
            0, 1
        )
        state[f"crossnet.bias.{number}"] = layer.up.bias.unsqueeze(1)
        gates_DK = torch.zeros(inputs.width, num_experts)
        if layer.gate.logits is not None:
            gates_DK = layer.gate.logits.weight_LIO[0]
        for expert in range(num_experts):
            state[f"crossnet.gating.{expert}.weight"] = gates_DK[:, expert].unsqueeze(0)
    deep = "parallel_dnn" if network.is_parallel else "stacked_dnn"
    state |= _mlp(winner, deep, _plain(network.deep, inputs))
    output = network.towers.output
    return state | {"fc.weight": output.weight_LIO[0].T, "fc.bias": output.bias_LO[0]}
