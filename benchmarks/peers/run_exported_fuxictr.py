"""Load an export into FuxiCTR's own model, score rows, and train it; print a JSON line.

Runs in an environment that has what FuxiCTR needs, and not our package. Its models are in no wheel,
so they come with all the rest from a clone of reczoo/FuxiCTR. Weights must fit name for name.
Logits are those of rows that FuxiCTR's own loader reads. Training is that of its own script.
"""

import argparse
import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

FOLDERS = {"PPNet": "PEPNet", "MMoE": "multitask/MMoE", "PLE": "multitask/PLE"}
FOLDERS |= {"ShareBottom": "multitask/ShareBottom", "DCNv2": "DCNv2", "FinalMLP": "FinalMLP"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clone", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("ours", type=Path, help="our logits of the first rows of test, in an npz")
    asked = parser.parse_args()
    clone = asked.clone.resolve()
    sys.path.insert(0, str(clone))
    name = json.loads((asked.folder / "model_config.yaml").read_text().split(":")[0])
    utils = importlib.import_module("fuxictr.utils")
    params = utils.load_config(str(asked.folder), name)
    place = clone / "model_zoo" / FOLDERS[params["model"]]
    figure: dict[str, Any] = {"model": params["model"]}
    weights = asked.folder / "weights" / f"{name}.model"
    if weights.exists():
        figure |= compared(params, place, weights, np.load(asked.ours)["logits"])
    print(json.dumps(figure | {"outcome": trained(asked.folder, name, place, clone)}))


def compared(
    params: dict[str, Any], place: Path, weights: Path, ours_RT: np.ndarray
) -> dict[str, Any]:
    """How far logits are from ours, of as many rows."""
    sys.path.insert(0, str(place))
    model_zoo, features, loaders = map(
        importlib.import_module, ("src", "fuxictr.features", "fuxictr.pytorch.dataloaders")
    )
    folder = Path(params["data_root"]) / params["dataset_id"]
    columns = features.FeatureMap(params["dataset_id"], str(folder))
    columns.load(str(folder / "feature_map.json"), params)
    params = {**params, "gpu": -1, "verbose": 0, "num_workers": 0}
    model = getattr(model_zoo, params["model"])(columns, **params)
    model.load_weights(str(weights))
    is_one = not isinstance(model.output_activation, nn.ModuleList)
    as_they_are = nn.ModuleList(nn.Identity() for _ in columns.labels)
    model.output_activation = as_they_are[0] if is_one else as_they_are
    scores = model.predict(loaders.RankDataLoader(columns, stage="test", **params).make_iterator())
    theirs = [scores] if is_one else [scores[label] for label in columns.labels]
    theirs_RT = np.array(theirs).T[: len(ours_RT)]
    difference = float(np.abs(theirs_RT - ours_RT).max())
    return {"rows": len(ours_RT), "difference": difference, "largest": float(abs(ours_RT).max())}


def trained(folder: Path, name: str, place: Path, clone: Path) -> str:
    """The AUC of every task on test, which its own script prints last, or why it failed."""
    command = [sys.executable, "run_expid.py", "--config", str(folder.resolve()), "--expid", name]
    environment = {**os.environ, "PYTHONPATH": str(clone)}
    done = subprocess.run(
        command, cwd=place, capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode:
        return done.stderr.strip().splitlines()[-1]
    aucs = re.findall(r"\[Metrics\] AUC: ([0-9.]+) - logloss", done.stderr)
    num_tasks = len(set(re.findall(r"\[Task: (.*?)\]", done.stderr))) or 1
    return f"AUC trained there {', '.join(auc[:6] for auc in aucs[-num_tasks:])}"


if __name__ == "__main__":
    torch.manual_seed(0)
    main()
