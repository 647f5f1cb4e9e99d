"""FuxiCTR's networks as plain functions of named weights, after its model zoo (release 2.3.10), in float64.

A network reads the rows that an export wrote, and must use every weight that it wrote, and no other.
Shape legend: B rows, D width of x, H width of an expert, K experts.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from hinet_search.study.yaml_file import read


class Network:
    """An export that is read back: its experiment, features and weights."""

    def __init__(self, folder: Path) -> None:
        ((self.name, self.experiment),) = read(folder / "model_config.yaml").tree.items()
        self.data = folder / self.experiment["dataset_id"]
        about = json.loads((self.data / "feature_map.json").read_text())
        self.features: dict[str, Any] = {
            name: spec for feature in about["features"] for name, spec in feature.items()
        }
        self.labels = about["labels"]
        self.weights = torch.load(folder / "weights" / f"{self.name}.model")
        self.unused = set(self.weights)

    def weight(self, name: str) -> Tensor:
        self.unused.discard(name)
        return self.weights[name].double()

    def linear(self, name: str, x: Tensor) -> Tensor:
        return x @ self.weight(f"{name}.weight").T + self.weight(f"{name}.bias")

    def mlp(self, name: str, x: Tensor, num_hidden: int, *, has_output: bool) -> Tensor:
        step = 3 if self.experiment["net_dropout"] else 2  # linear, ReLU and dropout
        for number in range(num_hidden):
            x = torch.relu(self.linear(f"{name}.mlp.{number * step}", x))
        return self.linear(f"{name}.mlp.{num_hidden * step}", x) if has_output else x

    def embedded(self, frame: pl.DataFrame) -> list[Tensor]:
        """A vector of every feature, in order."""
        vectors = []
        for name, spec in self.features.items():
            weight = self.weight(f"embedding_layer.embedding_layer.embedding_layers.{name}.weight")
            values = torch.from_numpy(np.stack(frame[name].to_numpy()))
            if spec["type"] == "numeric":
                vectors.append(values.double().unsqueeze(1) @ weight.T)
            elif spec["type"] == "categorical":
                vectors.append(weight[values.long()])
            else:
                assert values.shape[1] == spec["max_len"]
                slots_BLE = weight[values.long()]
                is_known_BL = slots_BLE.sum(dim=-1) != 0
                vectors.append(
                    slots_BLE.sum(dim=1) / (is_known_BL.double().sum(dim=1, keepdim=True) + 1e-12)
                )
        return vectors

    def logits(self) -> np.ndarray:
        """The logits of the rows of test (B, T)."""
        frame = pl.read_parquet(self.data / "test.parquet")
        x_BD = torch.cat(self.embedded(frame), dim=1)
        logits = NETWORKS[self.experiment["model"]](self, x_BD)
        assert not self.unused
        return torch.cat(logits, dim=1).numpy()

    def towers(self, inputs: list[Tensor]) -> list[Tensor]:
        hidden = len(self.experiment["tower_hidden_units"])
        return [
            self.mlp(f"tower.{task}", x, hidden, has_output=True) for task, x in enumerate(inputs)
        ]

    def mixed(self, gate: str, x_BD: Tensor, experts: list[Tensor]) -> Tensor:
        weight_BK = self.mlp(gate, x_BD, 0, has_output=True).softmax(dim=-1)
        return (weight_BK.unsqueeze(-1) * torch.stack(experts, dim=1)).sum(dim=1)

    def experts(self, name: str, count: int, x_BD: Tensor) -> list[Tensor]:
        hidden = len(self.experiment["expert_hidden_units"])
        return [self.mlp(f"{name}.{k}", x_BD, hidden, has_output=False) for k in range(count)]


def share_bottom(network: Network, x_BD: Tensor) -> list[Tensor]:
    hidden = len(network.experiment["bottom_hidden_units"])
    bottom = network.mlp("bottom", x_BD, hidden, has_output=False)
    return network.towers([bottom] * len(network.labels))


def mmoe(network: Network, x_BD: Tensor) -> list[Tensor]:
    experts = network.experts("mmoe_layer.experts", network.experiment["num_experts"], x_BD)
    gates = [f"mmoe_layer.gate.{task}" for task in range(len(network.labels))]
    return network.towers([network.mixed(gate, x_BD, experts) for gate in gates])


def ple(network: Network, x_BD: Tensor) -> list[Tensor]:
    layer = "cgc_layers.0"
    counts = [network.experiment[f"num_{kind}_experts"] for kind in ("shared", "specific")]
    shared = network.experts(f"{layer}.shared_experts", counts[0], x_BD)
    mixed = []
    for task in range(len(network.labels)):
        specific = network.experts(f"{layer}.specific_experts.{task}", counts[1], x_BD)
        mixed.append(network.mixed(f"{layer}.gate.{task}", x_BD, specific + shared))
    network.mixed(f"{layer}.gate.{len(network.labels)}", x_BD, shared)  # nothing reads it
    return network.towers(mixed)


def dcn_v2(network: Network, x_BD: Tensor) -> list[Tensor]:
    settings = network.experiment
    crossed_BD = x_BD
    for number in range(settings["num_cross_layers"]):
        if settings["use_low_rank_mixture"]:
            crossed_BD = crossed_BD + mixture(network, number, x_BD, crossed_BD)
        else:
            layer = f"crossnet.cross_layers.{number}"
            crossed_BD = crossed_BD + x_BD * network.linear(layer, crossed_BD)
    structure = settings["model_structure"]
    hidden = len(settings[f"{structure}_dnn_hidden_units"])
    x = crossed_BD if structure == "stacked" else x_BD
    h = network.mlp(f"{structure}_dnn", x, hidden, has_output=False)
    h = h if structure == "stacked" else torch.cat([crossed_BD, h], dim=1)
    return [network.linear("fc", h)]


def mixture(network: Network, number: int, x_BD: Tensor, below_BD: Tensor) -> Tensor:
    up, down, core, bias = (
        network.weight(f"crossnet.{name}.{number}")
        for name in ("U_list", "V_list", "C_list", "bias")
    )
    experts, gates = [], []
    for k in range(network.experiment["num_experts"]):
        z = torch.tanh(torch.tanh(below_BD @ down[k]) @ core[k].T)
        experts.append(x_BD * (z @ up[k].T + bias.squeeze(1)))
        gates.append(below_BD @ network.weight(f"crossnet.gating.{k}.weight").T)
    weight_BK = torch.cat(gates, dim=1).softmax(dim=1)
    return (torch.stack(experts, dim=2) * weight_BK.unsqueeze(1)).sum(dim=2)


NETWORKS = {"ShareBottom": share_bottom, "MMoE": mmoe, "PLE": ple, "DCNv2": dcn_v2}
