"""Facts of TorchEasyRec's messages (tzrec/protos at 54cac31): the fields that exports use, and all required ones.

A field is NAME=TYPE, with ! if it is required and * if it may be repeated.
"""

from collections.abc import Iterator
from typing import Any

FACTS = """\
EasyRecConfig: train_input_path!=string eval_input_path!=string model_dir!=string train_config=TrainConfig eval_config=EvalConfig data_config=DataConfig feature_configs*=FeatureConfig model_config=ModelConfig
TrainConfig: sparse_optimizer!=SparseOptimizer dense_optimizer!=DenseOptimizer num_epochs=uint32 grad_clipping=GradClipping
SparseOptimizer: adam_optimizer=FusedAdamOptimizer rowwise_adagrad_optimizer=FusedRowWiseAdagradOptimizer constant_learning_rate=ConstantLR
FusedAdamOptimizer: lr!=float
FusedRowWiseAdagradOptimizer: lr!=float
ConstantLR:
DenseOptimizer: adam_optimizer=AdamOptimizer adamw_optimizer=AdamWOptimizer constant_learning_rate=ConstantLR
AdamOptimizer: lr!=float
AdamWOptimizer: lr!=float weight_decay=float
GradClipping: clipping_type=string max_gradient=float
EvalConfig:
DataConfig: batch_size=uint32 dataset_type!=DatasetType label_fields*=string fg_mode=FgMode shuffle=bool
FeatureConfig: id_feature=IdFeature raw_feature=RawFeature
IdFeature: feature_name!=string expression!=string embedding_name=string embedding_dim!=uint32 num_buckets=uint64 pooling=string
RawFeature: feature_name!=string expression!=string
ModelConfig: feature_groups*=FeatureGroupConfig dcn_v2=DCNV2 mmoe=MMoE dbmtl=DBMTL ple=PLE pepnet=PEPNet losses*=LossConfig metrics*=MetricConfig
FeatureGroupConfig: group_name!=string feature_names*=string group_type!=FeatureGroupType
PEPNet: epnet_hidden_unit=uint32 epnet_gamma=float ppnet_hidden_units*=uint32 ppnet_activation=string ppnet_dropout_ratio*=float ppnet_gamma=float task_towers*=TaskTower
TaskTower: tower_name!=string label_name!=string metrics*=MetricConfig losses*=LossConfig mlp=MLP weight=float task_space_indicator_label=string in_task_space_weight=float out_task_space_weight=float
LossConfig: binary_cross_entropy=BinaryCrossEntropy
BinaryCrossEntropy:
MetricConfig: auc=AUC
AUC:
PLE: extraction_networks*=ExtractionNetwork task_towers*=TaskTower
ExtractionNetwork: network_name!=string expert_num_per_task!=uint32 share_num=uint32 task_expert_net!=MLP share_expert_net=MLP
MLP: hidden_units*=uint32 dropout_ratio*=float activation=string use_bn=bool bias=bool use_ln=bool
MMoE: expert_mlp!=MLP num_expert!=uint32 task_towers*=TaskTower
DBMTL: bottom_mlp=MLP task_towers*=BayesTaskTower
BayesTaskTower: tower_name!=string label_name=string metrics*=MetricConfig losses*=LossConfig mlp=MLP weight=float task_space_indicator_label=string in_task_space_weight=float out_task_space_weight=float
DCNV2: cross!=CrossV2 deep=MLP final!=MLP
CrossV2: cross_num=uint32 low_rank=uint32
"""
NAMES = {  # the values of enumerations that may be written
    "DatasetType": ("ParquetDataset",),
    "FgMode": ("FG_NONE",),
    "FeatureGroupType": ("DEEP",),
}
PLAIN = {"string": str, "uint32": int, "uint64": int, "float": (int, float), "bool": bool}


def fields_of(line: str) -> dict[str, str]:
    """The fields of a message with their marks, and the types."""
    return dict(field.split("=") for field in line.split())


MESSAGES = {
    name: fields_of(fields)
    for name, _, fields in (line.partition(":") for line in FACTS.splitlines())
}


def faults(message: str, tree: dict[str, Any]) -> Iterator[str]:
    """Yield what is no field of a message, is missing, repeated, or of another type."""
    fields = {field.rstrip("!*"): (field[-1], kind) for field, kind in MESSAGES[message].items()}
    required = {name for name, (mark, _) in fields.items() if mark == "!"}
    yield from (f"{message} lacks {name}" for name in required - tree.keys())
    yield from (f"{message} has {name}" for name in tree.keys() - fields.keys())
    for name in tree.keys() & fields.keys():
        mark, kind = fields[name]
        values = tree[name] if isinstance(tree[name], list) else [tree[name]]
        if len(values) != 1 and mark != "*":
            yield f"{message}.{name} is repeated"
        for value in values:
            yield from _faults_of_value(f"{message}.{name}", kind, value)


def _faults_of_value(place: str, kind: str, value: Any) -> Iterator[str]:
    if kind in MESSAGES:
        yield from faults(kind, value or {})
    elif kind in NAMES:
        yield from [] if value in NAMES[kind] else [f"{place} is {value}"]
    elif not isinstance(value, PLAIN[kind]):
        yield f"{place} is {value!r}"
