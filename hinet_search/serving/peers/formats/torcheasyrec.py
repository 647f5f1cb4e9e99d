"""TorchEasyRec: pipeline.config, protobuf text for encoded rows.

A tower there has a gate, specific experts and a loss of its own, and may count the rows of one
scenario alone. So MMoE, PLE and Shared Bottom get a tower for every scenario and task, as here.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hinet_search.common.errors import ConfigurationError
from hinet_search.data.peers.rules import READ, Rule, Unread, same
from hinet_search.data.peers.said import Said, said
from hinet_search.data.peers.torcheasyrec_rules import MODELS, SHARED_BOTTOM, EasyRecModel
from hinet_search.serving.peers.rows import PeerFeature
from hinet_search.serving.peers.winner import NAME_ARM, Winner
from hinet_search.study.load_study import PASSES

OFFSET = 0
NOTE = """\
Where TorchEasyRec is installed:

    torchrun --nproc-per-node=1 -m tzrec.train_eval --pipeline_config_path {folder}/pipeline.config

It trains from fresh weights: its checkpoints are sharded, so found weights are not written. On a
CPU it has no Adam for embeddings: search with train.embedding_optimiser: rowwise_adagrad to train
there.
"""
THEIRS: Mapping[str, tuple[str, EasyRecModel]] = {
    **{known.model: (name, known) for name, known in MODELS.items()},
    "shared_bottom": ("dbmtl", SHARED_BOTTOM),
}
NAMES = ("dataset_type", "fg_mode", "group_type")  # fields whose values are names, not texts
Message = Mapping[str, Any]
ROWS_OF_BATCH = "only rows of ids in the batch are updated there"
OURS: Mapping[str, Rule] = {
    **dict.fromkeys(("train.learning_rate", "train.embedding_learning_rate_multiplier"), READ),
    **dict.fromkeys((PASSES, "train.batch_size", "train.weight_decay", "train.task_weights"), READ),
    "train.embedding_optimiser": same("lazy_adam", "rowwise_adagrad", why=ROWS_OF_BATCH),
    "train.clip_norm": same(0.0, why="the norm of gradients of networks alone is clipped there"),
    "train.patience": same(0, why="all passes are trained"),
    "train.evaluations_per_pass": READ,  # told with patience
    "model.num_levels": READ,  # by as many networks
    "model.embedding_dim": READ,  # by every feature
    "model.dropout": READ,
}


def name_of(winner: Winner) -> str:
    """Return the name of what is trained."""
    return winner.name


def write(winner: Winner, folder: Path, home: Path) -> list[Unread]:
    """Write the configuration into `folder`, which will be `home`; return what it cannot say.

    ConfigurationError if TorchEasyRec has no such model, or has it for a single task alone.
    """
    name, known = _their_model(winner)
    words = _said(winner, known)
    model: dict[str, Any] = {"feature_groups": _groups(winner), name: _model(winner, words)}
    if name == "dcn_v2":
        model |= {"losses": {"binary_cross_entropy": {}}, "metrics": {"auc": {}}}
    pipeline = {
        "train_input_path": f"{home}/{winner.name}/train.parquet",
        "eval_input_path": f"{home}/{winner.name}/valid.parquet",
        "model_dir": f"{home}/experiments/{winner.name}",
        "train_config": _training(winner),
        "eval_config": {},
        "data_config": {
            "batch_size": winner.config.train.batch_size,
            "dataset_type": "ParquetDataset",
            "fg_mode": "FG_NONE",
            "shuffle": True,
            "label_fields": [*winner.columns.labels, *_indicators(winner)],
        },
        "feature_configs": [_feature(winner, each) for each in winner.columns.features],
        "model_config": model,
    }
    text = "".join(f"{line}\n" for line in _lines(pipeline))
    (folder / "pipeline.config").write_text(text, encoding="utf-8")
    return [*words.unsaid, *_structure(winner)]


def _their_model(winner: Winner) -> tuple[str, EasyRecModel]:
    if winner.model not in THEIRS:
        raise ConfigurationError(
            f"{winner.title}: TorchEasyRec must have the model, which {winner.model} is not; "
            f"it has {', '.join(THEIRS)}",
            remedy=NAME_ARM,
        )
    if winner.model == "dcn_v2" and winner.schema.num_tasks > 1:
        raise ConfigurationError(
            f"{winner.title}: TorchEasyRec's dcn_v2 must have one task, "
            f"got {', '.join(winner.schema.tasks)}",
            remedy=f"{NAME_ARM}: shared_bottom, mmoe or ple",
        )
    return THEIRS[winner.model]


def _said(winner: Winner, known: EasyRecModel) -> Said:
    """Say the settings of the model; those of training have messages of their own."""
    ours = {
        **OURS,
        **{name: same(value, why=f"is {value} there") for name, value in known.settings.items()},
    }
    if winner.model == "ple":
        ours["model.slots"] = READ  # told by `_structure`
    if winner.model == "dcn_v2":
        ours["model.cross.kind"] = same(
            "low_rank", "full", why="experts of low rank are linear there"
        )
        ours |= dict.fromkeys(("model.structure", "model.tower.widths", "model.widths"), READ)
        ours["model.cross.num_experts"] = same(1, why="a layer has one expert of low rank")
    if len(_cells(winner)) > winner.schema.num_tasks:
        ours["train.scenario_weights"] = same("rows", "equal", why="scenarios count by their rows")
    return said(winner.settings, known.rules, ours)


def _has_own_towers(winner: Winner) -> bool:
    """Whether scenarios have towers of their own, with all that a tower there has."""
    slots = winner.settings.get("model.slots", "scenario_task")
    return winner.model in ("mmoe", "ple", "shared_bottom") and slots == "scenario_task"


def _cells(winner: Winner) -> list[tuple[int | None, int]]:
    """Return the towers as pairs of a scenario and a task; None is all scenarios."""
    schema = winner.schema
    if schema.num_scenarios == 1 or not _has_own_towers(winner):
        return [(None, task) for task in range(schema.num_tasks)]
    return [
        (scenario, task)
        for scenario in range(schema.num_scenarios)
        for task in range(schema.num_tasks)
        if schema.has_task[scenario, task]
    ]


def _indicators(winner: Winner) -> Sequence[str]:
    """Return the labels that say which rows a tower counts."""
    return winner.columns.indicators if _cells(winner)[0][0] is not None else ()


def _training(winner: Winner) -> Message:
    train = winner.config.train
    rate = train.learning_rate * train.embedding_learning_rate_multiplier
    is_adagrad = train.embedding_optimiser == "rowwise_adagrad"
    sparse = "rowwise_adagrad_optimizer" if is_adagrad else "adam_optimizer"
    dense: Message = {"adam_optimizer": {"lr": train.learning_rate}}
    if train.weight_decay:
        decayed = {"lr": train.learning_rate, "weight_decay": train.weight_decay}
        dense = {"adamw_optimizer": decayed}
    training: dict[str, Any] = {
        "sparse_optimizer": {sparse: {"lr": rate}, "constant_learning_rate": {}},
        "dense_optimizer": {**dense, "constant_learning_rate": {}},
        "num_epochs": winner.settings[PASSES],
    }
    if train.clip_norm:
        training["grad_clipping"] = {"clipping_type": "norm", "max_gradient": train.clip_norm}
    return training


def _feature(winner: Winner, feature: PeerFeature) -> Message:
    column = {"feature_name": feature.name, "expression": f"user:{feature.name}"}
    if feature.kind == "numeric":
        return {"raw_feature": column}
    ids = {"num_buckets": feature.size, "embedding_dim": winner.architecture.embedding_dim}
    shared = feature.shared_with or feature.name
    is_shared = any(each.shared_with == shared for each in winner.columns.features)
    table = {"embedding_name": shared} if is_shared else {}
    pooling = {"pooling": "mean"} if feature.kind == "list" else {}
    return {"id_feature": {**column, **ids, **table, **pooling}}


def _groups(winner: Winner) -> list[Message]:
    """Return the inputs; PEPNet has a group for each of its gates."""
    features = winner.columns.features
    is_pepnet = winner.model == "pepnet"
    groups = {"all": [each.name for each in features if not (is_pepnet and each.is_scenario)]}
    if is_pepnet:
        fields = winner.columns.of_kind("categorical")
        groups["domain"] = [winner.columns.scenario]
        groups["uia"] = [each.name for each in fields if not each.is_scenario]
    return [
        {"group_name": name, "feature_names": names, "group_type": "DEEP"}
        for name, names in groups.items()
        if names
    ]


def _model(winner: Winner, words: Said) -> Message:
    """Return the message of the model: towers and levels are as many as here."""
    message = _nested(words.values)
    dropout = winner.settings["model.dropout"]
    if winner.model == "dcn_v2":
        return _dcn_v2(winner)
    tower = message.pop("task_towers", {})
    tower.get("mlp", {}).pop("dropout_ratio", None)  # of towers here there is none
    if "extraction_networks" in message:
        level = message.pop("extraction_networks")
        numbers = range(1, int(winner.architecture.num_levels) + 1)
        message["extraction_networks"] = [{"network_name": f"level_{n}", **level} for n in numbers]
    assert "ppnet_dropout_ratio" not in message or message["ppnet_dropout_ratio"] == dropout
    towers = [_tower(winner, tower, scenario, task) for scenario, task in _cells(winner)]
    return {**message, "task_towers": towers}


def _tower(winner: Winner, shape: Message, scenario: int | None, task: int) -> Message:
    columns = winner.columns
    train = winner.config.train
    label = columns.labels[task]
    weight = train.task_weights.of(winner.schema.tasks)[task]
    has_layers = bool(winner.settings.get("model.tower.widths"))
    tower: dict[str, Any] = {"tower_name": label, "label_name": label}
    if scenario is not None:
        indicator = columns.indicators[scenario]
        tower |= {"tower_name": f"{label}_{indicator}", "task_space_indicator_label": indicator}
        tower |= {"in_task_space_weight": 1.0, "out_task_space_weight": 0.0}
        weight *= _share(winner, scenario)
    tower |= {"weight": weight} if weight != 1 else {}
    tower |= {"mlp": shape["mlp"]} if has_layers else {}
    return {**tower, "losses": {"binary_cross_entropy": {}}, "metrics": {"auc": {}}}


def _share(winner: Winner, scenario: int) -> float:
    """Return what the loss of a scenario counts: as many rows as it has, or alike."""
    if winner.config.train.scenario_weights == "equal" or "train" not in winner.rows:
        return 1 / winner.schema.num_scenarios
    scenario_R = winner.rows["train"].scenario_R
    return round(float(np.mean(scenario_R == scenario)), 6)


def _dcn_v2(winner: Winner) -> Message:
    """Return DCN-V2: stacked layers are those after the crosses; a linear head is one unit."""
    config = winner.architecture
    cross = {"cross_num": config.cross.num_layers, "low_rank": config.cross.rank}
    if config.cross.kind == "full":
        cross["low_rank"] = winner.network.embedding.width  # then it is any matrix
    hidden = {"hidden_units": list(config.widths), "dropout_ratio": config.dropout}
    if config.structure == "stacked":
        return {"cross": cross, "final": hidden}
    if config.tower.widths:
        return {"cross": cross, "deep": hidden, "final": {"hidden_units": config.tower.widths}}
    return {"cross": cross, "deep": hidden, "final": {"hidden_units": [1], "activation": ""}}


def _structure(winner: Winner) -> Iterator[Unread]:
    """Yield what is another network there, or is trained otherwise."""
    schema = winner.schema
    config = winner.architecture
    cells = _cells(winner)
    if schema.num_scenarios > 1 and cells[0][0] is None and winner.model != "pepnet":
        why = f"are of a task there, of {schema.num_scenarios} scenarios and a task here"
        yield Unread("towers", why)
    if cells[0][0] is not None:
        yield Unread("metrics of towers", "are of the rows of all scenarios there; losses are not")
        if "train" not in winner.rows:
            yield Unread("weights of scenarios", "are equal: the rows are not known")
    if winner.model == "pepnet":
        if {config.gate_width} != set(config.widths):
            why = "is that of EPNet alone there; PPNet's gates are as wide as their layer"
            yield Unread("model.gate_width", why, (config.gate_width,))
    elif winner.model == "dcn_v2":
        yield from _structure_of_dcn_v2(winner)
    elif winner.model != "shared_bottom":
        yield Unread("gates", "have a bias there")
    if winner.exported.file.rows.objective != "mean_auc":
        why = "nothing there stops by it"
        yield Unread("objective", why, (winner.exported.file.rows.objective,))


def _structure_of_dcn_v2(winner: Winner) -> Iterator[Unread]:
    config = winner.architecture
    if config.cross.kind == "full":
        yield Unread("model.cross.kind", "is two matrices there, whose product is any", ("full",))
    if config.structure == "stacked" or config.tower.widths:
        yield Unread("output", "has no bias there")
    if config.structure == "stacked" and config.tower.widths:
        yield Unread("model.tower.widths", "towers are linear there", (config.tower.widths,))


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a message of fields with dotted names, without what is so by default."""
    message: dict[str, Any] = {}
    for name, value in values.items():
        *path, leaf = name.split(".")
        inner = message
        for step in path:
            inner = inner.setdefault(step, {})
        inner[leaf] = value
    return message


def _lines(message: Message, indent: str = "") -> Iterator[str]:
    """Yield a message as protobuf text."""
    for name, value in message.items():
        values = value if isinstance(value, list | tuple) else [value]
        for each in values:
            if isinstance(each, Mapping):
                yield f"{indent}{name} {{"
                yield from _lines(each, f"{indent}  ")
                yield f"{indent}}}"
            else:
                plain = each if name in NAMES else json.dumps(each, ensure_ascii=False)
                yield f"{indent}{name}: {plain}"
