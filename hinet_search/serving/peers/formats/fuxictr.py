"""FuxiCTR: dataset_config.yaml and model_config.yaml, a feature map, and weights if they fit.

The data set is of encoded rows, so its features are described by a feature map beside them. Weights
are written if FuxiCTR's network with these settings is the same function of its weights.
"""

import json
from collections.abc import Iterator, Mapping
from math import ceil
from pathlib import Path
from typing import Any

import torch

from hinet_search.common.errors import ConfigurationError
from hinet_search.data.definition_text import printable
from hinet_search.data.peers.found import SPLITS
from hinet_search.data.peers.fuxictr_rules import MODELS, TRAINING
from hinet_search.data.peers.rules import READ, Plain, Rule, Unread, same
from hinet_search.data.peers.said import Said, said
from hinet_search.serving.peers.fuxictr_weights import other_functions, state_of
from hinet_search.serving.peers.rows import PeerFeature
from hinet_search.serving.peers.winner import NAME_ARM, Winner

OFFSET = 1  # 0 is an empty slot
NOTE = """\
In a clone of github.com/reczoo/FuxiCTR, in the folder of the model (model_zoo/multitask/MMoE, say):

    python run_expid.py --config {folder} --expid {name}

It trains from fresh weights; `weights/`, if there, has those that were found, for `load_weights`.
"""
THEIR_NAMES = {known.model: name for name, known in MODELS.items()}
OF_ONE_TASK = ("DCNv2", "FinalMLP", "PPNet")
WITH_NARROW_NUMBERS = ("DCNv2", "PPNet")  # they join features, others stack them
PASS, PATIENCE = "train.evaluations_per_pass", "train.patience"
NEVER = 1_000_000  # evaluations without a gain before training stops
NO_CLIP = 1e4
BASE: Mapping[str, Plain] = {
    "verbose": 1,
    "num_workers": 1,
    "metrics": ("AUC", "logloss"),
    "monitor": "AUC",
    "monitor_mode": "max",
    "save_best_only": True,
    "reduce_lr_on_plateau": False,
    "pickle_feature_encoder": True,
    "debug_mode": False,
    "use_features": None,
    "group_id": None,
}


def name_of(winner: Winner) -> str:
    """Return the name of the experiment; ConfigurationError without such a model in FuxiCTR."""
    return f"{_their_name(winner)}_{winner.name}"


def write(winner: Winner, folder: Path, home: Path) -> list[Unread]:
    """Write the configuration into `folder`, which will be `home`; return what it cannot say.

    ConfigurationError if FuxiCTR has no such model, or has it for a single task alone.
    """
    model = _their_name(winner)
    words = _said(winner, model)
    data = {
        "data_root": f"{home}/",
        "data_format": "parquet",
        **{f"{split}_data": f"{home}/{winner.name}/{split}.parquet" for split in SPLITS},
        "min_categr_count": winner.settings["features.minimum_frequency"],
    }
    experiment = {"model": model, "dataset_id": winner.name, **BASE, **words.values}
    experiment |= {"model_root": f"{home}/checkpoints/", "seed": winner.seed}
    experiment |= _tasks(winner, model)
    _write(folder / "dataset_config.yaml", {winner.name: data})
    _write(folder / "model_config.yaml", {name_of(winner): experiment})
    features = json.dumps(_feature_map(winner, model), indent=1)
    (folder / winner.name / "feature_map.json").write_text(features, encoding="utf-8")
    others = list(other_functions(winner, model))
    if not others and winner.reads_plainly:
        (folder / "weights").mkdir()
        torch.save(state_of(winner, model), folder / "weights" / f"{name_of(winner)}.model")
    return [*words.unsaid, *others, *_trained_otherwise(winner, model)]


def _their_name(winner: Winner) -> str:
    name = THEIR_NAMES.get(winner.model)
    if name is None:
        raise ConfigurationError(
            f"{winner.title}: FuxiCTR must have the model, which {winner.model} is not; "
            f"it has {', '.join(THEIR_NAMES)}",
            remedy=NAME_ARM,
        )
    if name in OF_ONE_TASK and winner.schema.num_tasks > 1:
        raise ConfigurationError(
            f"{winner.title}: FuxiCTR's {name} must have one task, "
            f"got {', '.join(winner.schema.tasks)}",
            remedy=f"{NAME_ARM}: shared_bottom, mmoe or ple",
        )
    return name


def _said(winner: Winner, model: str) -> Said:
    """Say the settings; evaluations and clipping have numbers that mean never there."""
    known = MODELS[model]
    settings = dict(winner.settings)
    if settings.get("model.cross.kind") == "low_rank":  # the nearest to it
        settings["model.cross.kind"] = "nonlinear"
    settings["train.clip_norm"] = settings["train.clip_norm"] or NO_CLIP
    settings[PATIENCE] = settings[PATIENCE] or NEVER
    # What they are there is told by `other_functions`.
    ours: dict[str, Rule] = {"model.tower.widths": READ}
    ours |= {name: same(value, why=f"is {value} there") for name, value in known.settings.items()}
    steps: dict[str, Plain] = {}
    if winner.rows:
        steps_per_pass = ceil(winner.rows["train"].num_rows / winner.config.train.batch_size)
        steps["eval_steps"] = max(1, steps_per_pass // winner.config.train.evaluations_per_pass)
        ours[PASS] = READ
    first = said(settings, known.rules({}), ours)
    words = said(settings, {**TRAINING, **known.rules(first.values)}, ours)
    return Said({**words.values, **steps}, words.unsaid)


def _tasks(winner: Winner, model: str) -> dict[str, Plain]:
    """Return what follows from tasks, and from the features that are priors of gates."""
    num_tasks = winner.schema.num_tasks
    if model == "PPNet":
        fields = [each.name for each in winner.columns.of_kind("categorical")]
        width = winner.settings["model.embedding_dim"]
        return {"gate_priors": tuple(fields), "gate_emb_dim": width}
    if model in OF_ONE_TASK:
        return {}
    return {
        "num_tasks": num_tasks,
        "task": ("binary_classification",) * num_tasks,
        "loss": ("binary_crossentropy",) * num_tasks,
    }


def _trained_otherwise(winner: Winner, model: str) -> Iterator[Unread]:
    """Yield what differs in training alone."""
    is_joint = model not in OF_ONE_TASK
    has_towers = is_joint and winner.settings.get("model.tower.widths")
    dropout = winner.settings["model.dropout"]
    if has_towers and dropout:
        yield Unread("model.dropout", "is that of towers too there", (dropout,))
    if model in ("MMoE", "PLE"):
        yield Unread("gates", "have a bias there, which is 0 in found weights")
    if model not in WITH_NARROW_NUMBERS and winner.schema.numeric:
        yield Unread("numbers", "are as wide as embeddings there: each has a vector, times itself")
    if winner.exported.file.rows.objective != "mean_auc":
        objective = winner.exported.file.rows.objective
        yield Unread("objective", "training there stops by the mean AUC of tasks", (objective,))


def _feature_map(winner: Winner, model: str) -> dict[str, Any]:
    """Return the feature map: a number of a model that stacks features is as wide as they are."""
    features = [{each.name: _feature(each, model)} for each in winner.columns.features]
    length = sum(each.length or 1 for each in winner.columns.features)
    return {
        "dataset_id": winner.name,
        "num_fields": len(features),
        "total_features": sum(vocabulary_size(each) or 1 for each in winner.columns.features),
        "input_length": length,
        "labels": list(winner.columns.labels),
        "features": features,
    }


def vocabulary_size(feature: PeerFeature) -> int:
    """Return the rows of a table: of an empty slot, of values, and of unknown ones, which are last.

    Ours count unknown values, but of scenarios there are none.
    """
    return feature.size + (2 if feature.is_scenario else 1) if feature.size else 0


def _feature(feature: PeerFeature, model: str) -> dict[str, Any]:
    spec: dict[str, Any] = {"source": "", "type": feature.kind}
    if feature.kind == "numeric":
        return spec | ({"embedding_dim": 1} if model in WITH_NARROW_NUMBERS else {})
    spec |= {"padding_idx": 0, "vocab_size": vocabulary_size(feature)}
    if feature.kind == "list":
        pooling = "layers.MaskedAveragePooling()"
        spec |= {"type": "sequence", "max_len": feature.length, "feature_encoder": pooling}
    return spec | ({"share_embedding": feature.shared_with} if feature.shared_with else {})


def _write(path: Path, sections: Mapping[str, Mapping[str, Plain]]) -> None:
    """Write mappings of one level as YAML 1.1, in which 1e-5 is a text, and yes and no are not."""
    lines: list[str] = []
    for name, values in sections.items():
        lines.append(f"{json.dumps(name)}:")
        lines += [f"  {key}: {_in_yaml(value)}" for key, value in values.items()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _in_yaml(value: Plain) -> str:
    if isinstance(value, float):
        text = repr(value)
        return text if "." in text or "e" not in text else text.replace("e", ".0e")
    if isinstance(value, tuple):
        return f"[{', '.join(map(_in_yaml, value))}]"
    return printable(json.dumps(value, ensure_ascii=False))
