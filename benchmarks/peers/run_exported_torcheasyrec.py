"""Compare logits of TorchEasyRec's layers with ours, and train an export; print a JSON line.

Runs in an environment that has what TorchEasyRec needs, and not our package. Its messages
(tzrec/protos) come from a clone of alibaba/TorchEasyRec and parse pipeline.config; its layers
(tzrec/modules), built from that, get our weights and the inputs that our embeddings give. Training
is that of its own command (train_torcheasyrec.py).
Shape legend: B rows, D width of x, T tasks.
"""
# ruff: noqa: SLF001  modules there keep their parts private

import argparse
import importlib
import json
import re
import subprocess
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import numpy as np
import torch
from google.protobuf import json_format, text_format
from grpc_tools import protoc
from torch import Tensor, nn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clone", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("ours", type=Path, help="inputs, logits and weights, as npz")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as made, torch.inference_mode():
        config = parsed(asked.clone, asked.folder / "pipeline.config", Path(made))
        ours = {name: torch.from_numpy(array) for name, array in np.load(asked.ours).items()}
        figure = {"model": config.model_config.WhichOneof("model")}
        if not any(".core." in name for name in ours):  # crosses there have no tanh
            figure |= compared(config, ours)
        print(json.dumps(figure | {"outcome": trained(asked.clone, asked.folder, Path(made))}))


def compared(config: Any, ours: dict[str, Tensor]) -> dict[str, Any]:
    """How far logits are from ours, of as many rows."""
    model = config.model_config.WhichOneof("model")
    theirs_BC = MODELS[model](getattr(config.model_config, model), ours)
    difference = float((own_cells(theirs_BC, ours) - ours["logits"]).abs().max())
    largest = float(ours["logits"].abs().max())
    return {"rows": len(ours["logits"]), "difference": difference, "largest": largest}


def trained(clone: Path, folder: Path, made: Path) -> str:
    """The AUC of every tower on test, after the last pass, or why it failed."""
    (test,) = folder.resolve().glob("*/test.parquet")
    edited = {"eval_input_path": str(test), "data_config.num_workers": 1}
    command = [sys.executable, str(Path(__file__).with_name("train_torcheasyrec.py"))]
    command += [str(clone.resolve()), str(made), "--edit_config_json", json.dumps(edited)]
    command += ["--pipeline_config_path", str(folder.resolve() / "pipeline.config")]
    done = subprocess.run(command, cwd=made, capture_output=True, text=True, check=False)
    if done.returncode:
        return done.stderr.strip().splitlines()[-1]
    *_, last = re.findall(r"Eval Result .*", done.stderr)
    aucs = re.findall(r"auc\w*:([0-9.]+)", last)
    return f"AUC trained there {', '.join(auc[:6] for auc in aucs)}"


def parsed(clone: Path, path: Path, made: Path) -> Any:
    """The configuration; an unknown or a missing field is an error."""
    package = types.ModuleType("tzrec")  # without what its __init__ imports
    package.__path__ = [str(made / "tzrec"), str(clone / "tzrec")]
    sys.modules["tzrec"] = package
    files = sorted((clone / "tzrec" / "protos").rglob("*.proto"))
    names = [str(file.relative_to(clone)) for file in files]
    paths = [f"-I{clone}", f"-I{Path(protoc.__file__).parent / '_proto'}", f"--python_out={made}"]
    assert protoc.main(["protoc", *paths, *names]) == 0
    for folder in ("", "models"):
        (made / "tzrec" / "protos" / folder / "__init__.py").touch()
    sys.path.insert(0, str(made))
    messages = importlib.import_module("tzrec.protos.pipeline_pb2")
    config = text_format.Parse(path.read_text(), messages.EasyRecConfig())
    assert config.IsInitialized(), config.FindInitializationErrors()
    return config


def own_cells(theirs_BC: Tensor, ours: dict[str, Tensor]) -> Tensor:
    """The logits of each row's own scenario (B, T); with as many towers as tasks, all of them."""
    num_tasks = ours["logits"].shape[1]
    if theirs_BC.shape[1] == num_tasks:
        return theirs_BC
    of_scenarios_BMT = theirs_BC.unflatten(1, (-1, num_tasks))
    return of_scenarios_BMT[torch.arange(len(theirs_BC)), ours["scenario"].long()]


def module(name: str) -> Any:
    return importlib.import_module(f"tzrec.modules.{name}")


def given(message: Any) -> dict[str, Any]:
    """The fields of a message that are given, as arguments of their modules."""
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


def put(layer: nn.Linear, weight_IO: Tensor, bias_O: Tensor | None) -> None:
    assert layer.weight.shape == weight_IO.T.shape
    layer.weight.copy_(weight_IO.T)
    if layer.bias is not None:
        layer.bias.copy_(torch.zeros(weight_IO.shape[1]) if bias_O is None else bias_O)


def put_stacked(mlp: Any, ours: dict[str, Tensor], name: str, number: int) -> None:
    """Put the layers of one of our MLPs that are computed together."""
    for layer, perceptron in enumerate(mlp.mlp):
        weight, bias = (ours[f"{name}.layers.{layer}.{each}"] for each in ("weight_LIO", "bias_LO"))
        put(perceptron.perceptron[0], weight[number], bias[number])


def put_plain(mlp: Any, ours: dict[str, Tensor], name: str) -> None:
    for layer, perceptron in enumerate(mlp.mlp):
        weight, bias = (ours[f"{name}.{2 * layer}.{each}"] for each in ("weight", "bias"))
        put(perceptron.perceptron[0], weight.T, bias)


def towers(message: Any, inputs: list[Tensor], ours: dict[str, Tensor]) -> Tensor:
    """The logits of all towers (B, C)."""
    logits = []
    for number, (tower, x) in enumerate(zip(message.task_towers, inputs, strict=True)):
        mlp = given(tower.mlp) if tower.HasField("mlp") else None
        built = module("task_tower").TaskTower(x.shape[1], tower.num_class, mlp=mlp).eval()
        if mlp is not None:
            put_stacked(built.tower_mlp, ours, "towers.hidden", number)
        put(built.linear, *(ours[f"towers.output.{each}"][number] for each in WEIGHTS))
        logits.append(built(x))
    return torch.cat(logits, dim=1)


WEIGHTS = ("weight_LIO", "bias_LO")


def mmoe(message: Any, ours: dict[str, Tensor]) -> Tensor:
    x_BD = ours["x"]
    num_towers = len(message.task_towers)
    built = (
        module("mmoe")
        .MMoE(x_BD.shape[1], given(message.expert_mlp), message.num_expert, num_towers)
        .eval()
    )
    for expert, mlp in enumerate(built.expert_mlps):
        put_stacked(mlp, ours, "experts", expert)
    for number, gate in enumerate(built.gate_finals):
        put(gate, ours["gate.logits.weight_LIO"][number], None)
    return towers(message, built(x_BD), ours)


def ple(message: Any, ours: dict[str, Tensor]) -> Tensor:
    """Experts of a tower come before shared ones there, and after them here."""
    num_towers = len(message.task_towers)
    inputs, shared = [ours["x"]] * num_towers, ours["x"]
    last = len(message.extraction_networks) - 1
    for number, network in enumerate(message.extraction_networks):
        widths = [x.shape[1] for x in inputs]
        built = (
            module("extraction_net")
            .ExtractionNet(widths, shared.shape[1], **given(network), final_flag=number == last)
            .eval()
        )
        name = "cgc.last" if number == last else f"cgc.below.{number}"
        num_shared, num_specific = network.share_num, network.expert_num_per_task
        for expert, mlp in enumerate(built._shared_layers):
            put_stacked(mlp, ours, f"{name}.shared", expert)
        for tower in range(num_towers):
            for expert, mlp in enumerate(built._task_layers[tower]):
                put_stacked(mlp, ours, f"{name}.specific", tower * num_specific + expert)
            gate = ours[f"{name}.gate.logits.weight_LIO"][tower]
            put(built._task_gates[tower], gate.roll(-num_shared, 1), None)
        if number != last:
            gate = ours[f"{name}.shared_gate.logits.weight_LIO"][0]
            put(built._shared_gate, gate.roll(-num_shared, 1), None)
        inputs, shared = built(inputs, shared)
    return towers(message, inputs, ours)


def shared_bottom(message: Any, ours: dict[str, Tensor]) -> Tensor:
    """DBMTL without experts and relations."""
    built = module("mlp").MLP(ours["x"].shape[1], **given(message.bottom_mlp)).eval()
    put_plain(built, ours, "trunk")
    return towers(message, [built(ours["x"])] * len(message.task_towers), ours)


def dcn_v2(message: Any, ours: dict[str, Tensor]) -> Tensor:
    x_BD = ours["x"]
    width = x_BD.shape[1]
    cross = module("interaction").CrossV2(width, **given(message.cross)).eval()
    for number, (down, up) in enumerate(zip(cross.u_kernels, cross.v_kernels, strict=True)):
        layer = f"cross.layers.{number}"
        if f"{layer}.weight" in ours:  # a whole matrix: the identity comes first
            put(down, torch.eye(width), None)
            put(up, ours[f"{layer}.weight"].T, ours[f"{layer}.bias"])
        else:
            put(down, ours[f"{layer}.down.weight_LIO"][0], None)
            put(up, ours[f"{layer}.up.weight"].T, ours[f"{layer}.up.bias"])
    deep = module("mlp").MLP(width, **given(message.deep)).eval()
    put_plain(deep, ours, "deep")
    h = torch.concat([cross(x_BD), deep(x_BD)], dim=-1)
    final = module("mlp").MLP(h.shape[1], **given(message.final)).eval()
    put(final.mlp[0].perceptron[0], *(ours[f"towers.output.{each}"][0] for each in WEIGHTS))
    output = nn.Linear(final.output_dim(), 1, bias=False)
    output.weight.fill_(1)
    return output(final(h))


def pepnet(message: Any, ours: dict[str, Tensor]) -> Tensor:
    x_BD, domain, prior = ours["x"], ours["domain"], ours["prior"]
    nets = module("personalized_net")
    gamma = message.epnet_gamma
    epnet = nets.EPNet(x_BD.shape[1], domain.shape[1], message.epnet_hidden_unit, gamma).eval()
    put_gate(epnet.gate_nu, ours, "epnet.gate", 0)
    hidden = list(message.ppnet_hidden_units)
    num_tasks = len(message.task_towers)
    ppnet = nets.PPNet(
        x_BD.shape[1],
        prior.shape[1],
        num_tasks,
        hidden,
        message.ppnet_activation,
        list(message.ppnet_dropout_ratio),
        message.ppnet_gamma,
    ).eval()
    for task in range(num_tasks):
        for layer in range(len(hidden)):
            weights = (ours[f"ppnet.hidden.{layer}.{each}"][task] for each in WEIGHTS)
            put(ppnet.linears[task * len(hidden) + layer], *weights)
            gate = ppnet.gate_nus[task * len(hidden) + layer]
            put_gate(gate, ours, f"ppnet.gates.{layer}", task)
    renamed = {f"towers.output.{each}": ours[f"ppnet.output.{each}"] for each in WEIGHTS}
    return towers(message, ppnet(epnet(x_BD, domain), prior), renamed)


def put_gate(gate: Any, ours: dict[str, Tensor], name: str, number: int) -> None:
    for layer, part in ((0, "hidden"), (2, "output")):
        put(gate.dense_layers[layer], *(ours[f"{name}.{part}.{each}"][number] for each in WEIGHTS))


MODELS = {"mmoe": mmoe, "ple": ple, "dbmtl": shared_bottom, "dcn_v2": dcn_v2, "pepnet": pepnet}


if __name__ == "__main__":
    main()
