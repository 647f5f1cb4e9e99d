"""TorchEasyRec rules: what becomes of the fields of a pipeline.config.

`MODELS` has its models that we have too, by their fields of `model_config`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from hinet_search.data.peers.found import each
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
    positive,
    same,
    some_widths,
    strength,
    to,
    widths,
    zero,
)
from hinet_search.study.distributions import Value

MISSING = "a missing id is unknown, a missing number the training mean with a flag"
BOUNDARIES = "numbers are inputs as they are; features.number_encoding has bins of training rows"
TABLES = "tables are on one device, in fp32, as wide as model.embedding_dim"
SPACE = "a label counts in all rows; model.loss.entire_space is a funnel's way"
COLUMNS = "inputs are the columns that features name, as they are"
TOWER = "task_towers"

FEATURE: Mapping[str, Rule] = {
    **dict.fromkeys(("feature_name", "expression", "sequence_name", "separator"), READ),
    **dict.fromkeys(("sequence_length", "sequence_delim", "stub_type"), READ),
    "hash_bucket_size": READ,
    "value_dim": same(0, 1, why="a feature has one value, or is a list with a separator"),
    "embedding_dim": to("model.embedding_dim", count),
    **dict.fromkeys(
        ("num_buckets", "vocab_list", "vocab_dict", "vocab_file", "zch"),
        left(VOCABULARY),
    ),
    **dict.fromkeys(
        ("asset_dir", "dynamicemb", "default_bucketize_value", "fg_value_type"), left(VOCABULARY)
    ),
    **dict.fromkeys(("default_value", "fg_encoded_default_value"), left(MISSING)),
    "boundaries": left(BOUNDARIES),
    **dict.fromkeys(("autodis", "mlp"), left(BOUNDARIES)),
    "normalizer": left("numbers are standardised; docs/data.md has other transforms"),
    "embedding_name": left("lists of ids share the embedding of these, and others have their own"),
    "pooling": same("mean", why="lists are pooled by their mean, or by attention"),
    "weighted": same(False, why="entries of a list weigh alike"),
    "use_mask": same(False, why="inputs are not masked"),
    "trainable": same(True, why="all embeddings are learned"),
    "data_type": same("FP32", why=TABLES),
    **dict.fromkeys(("init_fn", "embedding_constraints"), left(TABLES)),
    "sequence_fields": left("the columns of a list are those of its features"),
}
PIPELINE: Mapping[str, Rule] = {
    **dict.fromkeys(("train_input_path", "eval_input_path"), READ),
    **dict.fromkeys(("model_dir", "eval_config", "export_config", "train_config"), left(RUNNING)),
    "train_config.num_epochs": to("train.passes", count),
    "train_config.num_steps": left("training is counted in passes, not in steps"),
    "train_config.mixed_precision": left("train.precision has fp32 and bf16"),
    "train_config.grad_clipping": left("train.clip_norm bounds the norm of all gradients"),
    "data_config.batch_size": to("train.batch_size", count),
    "data_config.label_fields": READ,
    "data_config.sample_weight_fields": READ,
    **dict.fromkeys(("data_config.dataset_type", "data_config.with_header"), READ),
    "data_config.delimiter": READ,
    "data_config.fg_mode": same("FG_NONE", "FG_NORMAL", "FG_DAG", "FG_BUCKETIZE", why=COLUMNS),
    "data_config.fg_encoded": same(True, False, why=COLUMNS),
    "data_config.shuffle": same(True, why="rows are shuffled before every pass"),
    "data_config.drop_remainder": same(False, why="the last batch of a pass is trained on too"),
    **dict.fromkeys(("data_config.input_fields", "data_config.input_fields_str"), left(TYPES)),
    "data_config.fg_encoded_multival_sep": left("a list needs the key separator"),
    **dict.fromkeys(
        ("data_config.num_workers", "data_config.pin_memory", "data_config.eval_batch_size"),
        left(RUNNING),
    ),
    **dict.fromkeys(
        ("data_config.fg_threads", "data_config.shuffle_buffer_size", "data_config.in_order"),
        left(RUNNING),
    ),
    "data_config": left("rows are read from tables of files, or by a query"),
    "model_config.feature_groups": left("all inputs go to all parts of a model"),
    "model_config.feature_groups.feature_names": READ,
    "model_config.feature_groups.sequence_groups.feature_names": READ,
    "model_config.feature_groups.sequence_encoders": left(
        "lists are pooled by their mean, or by attention"
    ),
    "model_config.num_class": same(1, why="a label is 0 or 1"),
    "model_config.losses.binary_cross_entropy": same(None, why="train.loss has the losses here"),
    "model_config.losses": left("train.loss has the losses there are here"),
    **dict.fromkeys(("model_config.metrics", "model_config.train_metrics"), left(JUDGED)),
    "model_config.kernel": left(RUNNING),
    "model_config.use_pareto_loss_weight": same(False, why="tasks have fixed weights"),
}
SPARSE = "train_config.sparse_optimizer"
DENSE = "train_config.dense_optimizer"
OPTIMISERS: Mapping[str, Rule] = {
    SPARSE: left("train.embedding_optimiser has adam, sparse_adam, rowwise_adagrad and lazy_adam"),
    f"{SPARSE}.adam_optimizer.lr": checked(positive),
    f"{SPARSE}.rowwise_adagrad_optimizer.lr": checked(positive),
    f"{SPARSE}.constant_learning_rate": same(None, why=SCHEDULE),
    DENSE: left("networks are trained with Adam"),
    f"{DENSE}.adam_optimizer.lr": to("train.learning_rate", positive),
    f"{DENSE}.adam_optimizer.weight_decay": to(
        "train.weight_decay", zero, "is a penalty in the loss, train.weight_decay is decoupled"
    ),
    f"{DENSE}.adamw_optimizer.lr": to("train.learning_rate", positive),
    f"{DENSE}.adamw_optimizer.weight_decay": to("train.weight_decay", strength),
    f"{DENSE}.constant_learning_rate": same(None, why=SCHEDULE),
}


def mlp(field_name: str, layers: Rule) -> dict[str, Rule]:
    """Return the rules of an MLP whose widths and dropout are settings of ours."""
    return {
        f"{field_name}.hidden_units": layers,
        f"{field_name}.dropout_ratio": to("model.dropout", dropout, "layers share one dropout"),
        f"{field_name}.activation": same("nn.ReLU", why=RELU),
        **dict.fromkeys(
            (f"{field_name}.use_bn", f"{field_name}.use_ln"), same(False, why=NORMALISED)
        ),
        f"{field_name}.bias": same(True, why="layers have a bias"),
    }


def _task_towers(layers: Rule) -> dict[str, Rule]:
    """Return the rules of the towers of tasks."""
    return {
        **dict.fromkeys((f"{TOWER}.tower_name", f"{TOWER}.label_name"), READ),
        f"{TOWER}.weight": checked(positive),
        **mlp(f"{TOWER}.mlp", layers),
        **dict.fromkeys((f"{TOWER}.metrics", f"{TOWER}.train_metrics"), left(JUDGED)),
        f"{TOWER}.losses.binary_cross_entropy": same(None, why="train.loss has the losses here"),
        f"{TOWER}.losses": left("train.loss has the losses there are here"),
        f"{TOWER}.num_class": same(1, why="a label is 0 or 1"),
        **dict.fromkeys((f"{TOWER}.sample_weight_name",), left("a row weighs alike in all tasks")),
        f"{TOWER}.task_space_indicator_label": left(SPACE),
        **dict.fromkeys(
            (f"{TOWER}.in_task_space_weight", f"{TOWER}.out_task_space_weight"),
            same(1, 1.0, why=SPACE),
        ),
        f"{TOWER}.pareto_min_loss_weight": same(0, 0.0, why="tasks have fixed weights"),
    }


@dataclass(frozen=True)
class EasyRecModel:
    """One of our models: settings that follow from theirs being what it is, and its rules."""

    model: str
    rules: Mapping[str, Rule]
    settings: Mapping[str, Value] = field(default_factory=dict)


TOWERS = _task_towers(to("model.tower.widths", widths))
EXPERTS = to("model.expert.widths", some_widths, "an expert needs a layer")
LEVEL = "extraction_networks"
MMOE = {
    **TOWERS,
    **mlp("expert_mlp", EXPERTS),
    "gate_mlp": left(GATES),
    "num_expert": to("model.num_experts", count),
}
PLE = {
    **TOWERS,
    f"{LEVEL}.network_name": left("levels are numbered"),
    f"{LEVEL}.expert_num_per_task": to("model.num_specific_experts", count),
    f"{LEVEL}.share_num": to("model.num_shared_experts", count),
    **mlp(f"{LEVEL}.task_expert_net", EXPERTS),
    **mlp(f"{LEVEL}.share_expert_net", EXPERTS),
}
DCN_V2 = {
    "backbone": left("the crosses begin at the inputs"),
    "cross.cross_num": to("model.cross.num_layers", count),
    "cross.low_rank": to("model.cross.rank", count),
    **mlp("deep", to("model.widths", some_widths, "the deep network needs a layer")),
    **mlp("final", to("model.tower.widths", widths)),
}
PEPNET = {
    **_task_towers(left("the towers are the layers of PPNet alone")),
    "epnet_hidden_unit": to("model.gate_width", count),
    "ppnet_hidden_units": to("model.widths", some_widths, "a tower needs a layer"),
    "ppnet_dropout_ratio": to("model.dropout", dropout, "layers share one dropout"),
    "ppnet_activation": same("nn.ReLU", why=RELU),
    **dict.fromkeys(("epnet_gamma", "ppnet_gamma"), same(2, 2.0, why="gates double at most")),
    "domain_input_name": READ,
    "task_domain_num": left("scenarios share the towers of tasks, and follow from the values"),
}
# DBMTL without these fields of its own and of its towers.
BEYOND_SHARED_BOTTOM = {
    *("mask_net", "expert_mlp", "gate_mlp", "num_expert"),
    *("relation_tower_names", "relation_mlp"),
}
SHARED_BOTTOM = EasyRecModel(
    "shared_bottom",
    {
        **TOWERS,
        **mlp("bottom_mlp", to("model.trunk.widths", some_widths, "the trunk needs a layer")),
    },
)
ONE_EXPERT: Mapping[str, Value] = {
    "model.cross.kind": "low_rank",
    "model.cross.num_experts": 1,
    "model.structure": "parallel",
}
MODELS: Mapping[str, EasyRecModel] = {
    "mmoe": EasyRecModel("mmoe", MMOE),
    "ple": EasyRecModel("ple", PLE, {"model.slots": "task"}),
    "dcn_v2": EasyRecModel("dcn_v2", DCN_V2, ONE_EXPERT),
    "pepnet": EasyRecModel("pepnet", PEPNET),
}


def model_of(name: str, message: Mapping[str, Any]) -> EasyRecModel | None:
    """Return our model that a message is, if we have it."""
    if name != "dbmtl":
        return MODELS.get(name)
    fields = {*message, *chain.from_iterable(each(message.get("task_towers")))}
    is_plain = "bottom_mlp" in message and fields.isdisjoint(BEYOND_SHARED_BOTTOM)
    return SHARED_BOTTOM if is_plain else None


# Fields of model_config that are no model.
NO_MODELS = (
    "feature_groups",
    "num_class",
    "losses",
    "metrics",
    "train_metrics",
    "variational_dropout",
    "kernel",
    "use_pareto_loss_weight",
)
