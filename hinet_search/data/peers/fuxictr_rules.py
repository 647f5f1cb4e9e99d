"""FuxiCTR rules: what becomes of the keys of its datasets and experiments.

`MODELS` has its models that we have too, by their names there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hinet_search.data.peers.rules import (
    GATES,
    JUDGED,
    NORMALISED,
    READ,
    RELU,
    RUNNING,
    SCHEDULE,
    TYPES,
    VOCABULARY,
    Rule,
    checked,
    count,
    dropout,
    left,
    patience,
    positive,
    same,
    seed,
    some_widths,
    squared,
    switch,
    to,
    widths,
    zero,
)
from hinet_search.study.distributions import Value

ONE_WIDTH = "embeddings of all features have one width, model.embedding_dim"
PRETRAINED = "embeddings are learned, none is loaded"
CONTEXTS = "the contexts of gates are a learned vector or the scenario"
SHARED_DROPOUT = "both streams have the dropout of the first"

DATASET: Mapping[str, Rule] = {
    **dict.fromkeys(("data_format", "train_data", "valid_data", "test_data"), READ),
    **dict.fromkeys(("sep", "label_col.name"), READ),
    "data_root": left(RUNNING),
    "min_categr_count": to("features.minimum_frequency", count),
    "label_col.dtype": left(TYPES),
    "label_col.preprocess": left(
        "labels are read as they are; write the made column into the rows"
    ),
    "rebuild_dataset": left(RUNNING),
    "num_buckets": left(VOCABULARY),
}
COLUMN: Mapping[str, Rule] = {
    **dict.fromkeys(("name", "type", "preprocess", "splitter", "max_len"), READ),
    "active": checked(switch),
    "share_embedding": READ,
    "dtype": left(TYPES),
    "source": left("a definition does not say whose feature a column is"),
    "fill_na": left("a missing id is unknown, a missing number the training mean with a flag"),
    "padding": left("lists keep their first entries"),
    "normalizer": left("numbers are standardised; docs/data.md has other transforms"),
    "feature_encoder": same(None, why="lists are pooled by their mean, or by attention"),
    "category_processor": left(
        "numbers in buckets are inputs as they are, with features.number_encoding; ids in buckets "
        "are numbered by training frequency, or listed under data.features.hashed"
    ),
    **dict.fromkeys(("min_categr_count", "num_buckets", "vocab_size", "remap"), left(VOCABULARY)),
    **dict.fromkeys(("padding_idx", "oov_idx"), left(VOCABULARY)),
    **dict.fromkeys(("embedding_dim", "emb_output_dim"), left(ONE_WIDTH)),
    **dict.fromkeys(
        ("pretrained_emb", "freeze_emb", "pretrain_dim", "pretrain_usage"), left(PRETRAINED)
    ),
}
ENCODED = dict.fromkeys(  # keys of a feature map beside its features
    ("dataset_id", "num_fields", "total_features", "input_length"), left("follows from the rows")
)
TRAINING: Mapping[str, Rule] = {
    **dict.fromkeys(("model", "dataset_id", "use_features", "group_id"), READ),
    "learning_rate": to("train.learning_rate", positive),
    "batch_size": to("train.batch_size", count),
    "epochs": to("train.passes", count),
    "early_stop_patience": to("train.patience", patience),
    "max_gradient_norm": to("train.clip_norm", positive),
    "eval_steps": same(None, why="evaluations are counted in passes: train.evaluations_per_pass"),
    "seed": to("seed", seed),
    "embedding_dim": to("model.embedding_dim", count),
    "net_dropout": to("model.dropout", dropout, "layers share one dropout"),
    "net_regularizer": to(
        "train.weight_decay", zero, "is a penalty in the loss, train.weight_decay is decoupled"
    ),
    "embedding_regularizer": to("train.embedding_l2", squared, "the penalty here is of squares"),
    "optimizer": same("adam", why="networks are trained with Adam"),
    "loss": same("binary_crossentropy", why="train.loss has the losses there are here"),
    "task": same("binary_classification", why="write kind: amount for a label that is a number"),
    "shuffle": same(True, why="rows are shuffled before every pass"),
    "feature_config": same(None, why="the inputs are those of the dataset"),
    "feature_specs": same(None, why="lists are pooled by their mean, or by attention"),
    **dict.fromkeys(("metrics", "monitor", "monitor_mode"), left(JUDGED)),
    **dict.fromkeys(
        ("model_root", "num_workers", "verbose", "pickle_feature_encoder", "save_best_only"),
        left(RUNNING),
    ),
    **dict.fromkeys(("debug_mode", "gpu"), left(RUNNING)),
    "reduce_lr_on_plateau": same(False, why=SCHEDULE),
}
LAYERS: Mapping[str, Rule] = {
    "batch_norm": same(False, why=NORMALISED),
    **dict.fromkeys(("hidden_activations", "dnn_activations"), same("relu", why=RELU)),
}
TOWERS = {"tower_hidden_units": to("model.tower.widths", widths)}
EXPERTS = {
    "expert_hidden_units": to("model.expert.widths", some_widths, "an expert needs a layer"),
    "gate_hidden_units": same((), why=GATES),
}


@dataclass(frozen=True)
class FuxiModel:
    """One of our models: settings that follow from theirs being what it is, and its rules.

    The rules may depend on the values of the experiment.
    """

    model: str
    settings: Mapping[str, Value]
    rules: Callable[[Mapping[str, Any]], Mapping[str, Rule]]


def _dcn_v2(values: Mapping[str, Any]) -> Mapping[str, Rule]:
    """Rules of DCN-V2: one of two networks is used, and rank and experts by low-rank crosses."""
    structure = values.get("model_structure", "parallel")
    unused = left(f"is of no use with model_structure {structure}")
    deep = to("model.widths", some_widths, "the deep network needs a layer")
    is_low_rank = values.get("use_low_rank_mixture") is True
    full = left("is of no use without use_low_rank_mixture")
    return {
        **LAYERS,
        "model_structure": to("model.structure", _structure, "the structures are these two"),
        "use_low_rank_mixture": to("model.cross.kind", _cross_kind),
        "low_rank": to("model.cross.rank", count) if is_low_rank else full,
        "num_experts": to("model.cross.num_experts", count) if is_low_rank else full,
        "num_cross_layers": to("model.cross.num_layers", count),
        "stacked_dnn_hidden_units": unused if structure == "parallel" else deep,
        "parallel_dnn_hidden_units": unused if structure == "stacked" else deep,
    }


def _structure(value: Any) -> str | None:
    return value if value in ("parallel", "stacked") else None


def _cross_kind(value: Any) -> str:
    return "nonlinear" if switch(value) else "full"


def _final_mlp(_: Mapping[str, Any]) -> Mapping[str, Rule]:
    return {
        "mlp1_hidden_units": to("model.first.widths", some_widths, "a stream needs a layer"),
        "mlp2_hidden_units": to("model.second.widths", some_widths, "a stream needs a layer"),
        "mlp1_dropout": to("model.dropout", dropout, SHARED_DROPOUT),
        "mlp2_dropout": to("model.dropout", dropout, SHARED_DROPOUT),
        "use_fs": to("model.gate.enabled", switch),
        "fs_hidden_units": to("model.gate.widths", widths),
        "num_heads": to("model.num_heads", count),
        **dict.fromkeys(("fs1_context", "fs2_context"), same((), why=CONTEXTS)),
        **dict.fromkeys(("mlp1_batch_norm", "mlp2_batch_norm"), same(False, why=NORMALISED)),
        **dict.fromkeys(
            ("mlp1_hidden_activations", "mlp2_hidden_activations"), same("relu", why=RELU)
        ),
    }


def _shared_bottom(_: Mapping[str, Any]) -> Mapping[str, Rule]:
    trunk = to("model.trunk.widths", some_widths, "the trunk needs a layer")
    return {**LAYERS, **TOWERS, "bottom_hidden_units": trunk}


def _mmoe(_: Mapping[str, Any]) -> Mapping[str, Rule]:
    return {**LAYERS, **TOWERS, **EXPERTS, "num_experts": to("model.num_experts", count)}


def _ple(_: Mapping[str, Any]) -> Mapping[str, Rule]:
    return {
        **LAYERS,
        **TOWERS,
        **EXPERTS,
        "num_layers": to("model.num_levels", count),
        "num_shared_experts": to("model.num_shared_experts", count),
        "num_specific_experts": to("model.num_specific_experts", count),
    }


def _pepnet(_: Mapping[str, Any]) -> Mapping[str, Rule]:
    return {
        **LAYERS,
        "hidden_units": to("model.widths", some_widths, "a tower needs a layer"),
        "gate_hidden_dim": to("model.gate_width", count),
        "gate_emb_dim": left(ONE_WIDTH),
        "gate_priors": left("the prior of gates is the embeddings of all categorical features"),
    }


LEARNED = {"model.first.context": "learned", "model.second.context": "learned"}
MODELS: Mapping[str, FuxiModel] = {
    "ShareBottom": FuxiModel("shared_bottom", {}, _shared_bottom),
    "MMoE": FuxiModel("mmoe", {}, _mmoe),
    "PLE": FuxiModel("ple", {"model.slots": "task"}, _ple),
    "DCNv2": FuxiModel("dcn_v2", {}, _dcn_v2),
    "FinalMLP": FuxiModel("final_mlp", LEARNED, _final_mlp),
    "PPNet": FuxiModel("pepnet", {}, _pepnet),
}
