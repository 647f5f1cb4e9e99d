"""Small configurations of other libraries, as texts and as trees, and rows that they are of."""

import copy
from pathlib import Path
from typing import Any

import polars as pl

from hinet_search.study.yaml_text import parsed

DATASET = """\
shop:
  data_root: ../rows/
  data_format: csv
  train_data: ../rows/train.csv
  valid_data: ../rows/valid.csv
  test_data: ../rows/test.csv
  min_categr_count: 2
  feature_cols:
    - {name: [user, item], active: True, dtype: str, type: categorical}
    - {name: channel, active: True, dtype: str, type: categorical}
    - {name: price, active: True, dtype: float, type: numeric}
    - {name: seen, active: True, dtype: str, type: sequence, splitter: "^", max_len: 3, share_embedding: item}
    - {name: hidden, active: False, dtype: str, type: categorical}
    - {name: hour, active: True, dtype: str, type: categorical, preprocess: convert_hour}
  label_col:
    - {name: click, dtype: float}
    - {name: order, dtype: float}
"""
EXPERIMENTS = """\
Base:
  model_root: ./checkpoints/
  early_stop_patience: 2
  eval_steps: null
  reduce_lr_on_plateau: False
  group_id: user
  batch_size: 64
MMoE_1:
  model: MMoE
  dataset_id: shop
  loss: [binary_crossentropy, binary_crossentropy]
  task: [binary_classification, binary_classification]
  num_tasks: 2
  optimizer: adam
  learning_rate: 2.e-3
  num_experts: 2
  expert_hidden_units: [16, 8]
  gate_hidden_units: [4]
  tower_hidden_units: [8]
  hidden_activations: relu
  net_regularizer: 0
  embedding_regularizer: 1.e-6
  batch_norm: False
  net_dropout: 0.1
  batch_size: 32
  embedding_dim: 4
  epochs: 3
  shuffle: True
  seed: 7
"""
PIPELINE = """\
train_input_path: "rows/train.csv"
eval_input_path: "rows/valid.csv"  # no rows of test
model_dir: 'experiments/shop'
train_config {
  sparse_optimizer { rowwise_adagrad_optimizer { lr: 0.01 } constant_learning_rate {} }
  dense_optimizer { adam_optimizer { lr: 0.002 } constant_learning_rate {} }
  num_epochs: 2
}
data_config {
  batch_size: 32
  dataset_type: CsvDataset
  with_header: true
  fg_mode: FG_DAG
  label_fields: "click"
  label_fields: "order"
}
feature_configs { id_feature { feature_name: "user" expression: "user:user" num_buckets: 100 embedding_dim: 4 } }
feature_configs { id_feature { feature_name: "item" expression: "item:item" hash_bucket_size: 9 embedding_dim: 4 } }
feature_configs { id_feature { feature_name: "channel" num_buckets: 3 embedding_dim: 4 } }
feature_configs { raw_feature { feature_name: "price" } }
feature_configs { raw_feature { feature_name: "unused" } }
feature_configs { combo_feature { feature_name: "pair" expression: ["user:user", "item:item"] embedding_dim: 4 } }
feature_configs { lookup_feature { feature_name: "rate" map: "item:rates" key: "user:city" } }
feature_configs {
  sequence_feature {
    sequence_name: "seen",
    sequence_length: 3
    sequence_delim: "^"
    features { id_feature { feature_name: "item" embedding_dim: 4 } }
  }
}
model_config {
  feature_groups {
    group_name: "all"
    feature_names: ["user", "item", "channel", "price", "pair", "rate"]
    feature_names: "seen__item"
    group_type: DEEP
  }
  MODEL
}
"""
MMOE = """mmoe {
    expert_mlp { hidden_units: [16, 8] dropout_ratio: [0.1, 0.1] }
    num_expert: 2
    task_towers {
      tower_name: "ctr" label_name: "click" weight: 2
      mlp { hidden_units: 8 } losses { binary_cross_entropy {} }
    }
    task_towers {
      tower_name: "cvr" label_name: "order" mlp { hidden_units: 8 } losses { binary_cross_entropy {} }
    }
  }"""

PLE = """ple {
    extraction_networks { network_name: "a" expert_num_per_task: 1 share_num: 2
      task_expert_net { hidden_units: [16, 8] } share_expert_net { hidden_units: [16, 8] } }
    extraction_networks { network_name: "b" expert_num_per_task: 3 share_num: 2
      task_expert_net { hidden_units: [16, 8] } share_expert_net { hidden_units: [16, 8] } }
    task_towers { tower_name: "ctr" label_name: "click" mlp { hidden_units: 8 } }
  }"""
PEPNET = """pepnet {
    domain_input_name: "channel" ppnet_hidden_units: [16, 8] epnet_hidden_unit: 4 epnet_gamma: 2.0
    ppnet_gamma: 3.0
    task_towers { tower_name: "ctr" label_name: "click" mlp { hidden_units: 8 } }
  }"""
BOTTOM = """dbmtl {
    bottom_mlp { hidden_units: [16, 8] }
    task_towers { tower_name: "ctr" label_name: "click" mlp { hidden_units: 8 } }
  }"""
DCN = """dcn_v2 {
    cross { cross_num: 2 low_rank: 8 } deep { hidden_units: [16] } final { hidden_units: [8] }
  }"""


def fuxictr_folder(folder: Path, dataset: str = DATASET, experiments: str = EXPERIMENTS) -> Path:
    """Write a folder of configurations, with the rows beside it."""
    config = folder / "trainer" / "config"
    config.mkdir(parents=True)
    (config / "dataset_config.yaml").write_text(dataset, encoding="utf-8")
    (config / "model_config.yaml").write_text(experiments, encoding="utf-8")
    write_rows(folder / "rows")
    return config


def pipeline_file(folder: Path, model: str = MMOE, text: str = PIPELINE) -> Path:
    """Write a pipeline.config, with the rows beside it."""
    path = folder / "shop.config"
    path.write_text(text.replace("MODEL", model), encoding="utf-8")
    write_rows(folder / "rows")
    return path


def write_rows(folder: Path) -> None:
    """Write rows of train, valid and test with both classes of both labels."""
    folder.mkdir()
    for number, split in enumerate(("train", "valid", "test")):
        rows = range(number, 400 + number)
        pl.DataFrame(
            {
                "user": [f"u{row * 7 % 31}" for row in rows],
                "item": [f"i{row * 5 % 17}" for row in rows],
                "channel": [("home", "push")[row % 2] for row in rows],
                "price": [row * 13 % 29 / 2 for row in rows],
                "seen": [f"i{row % 17}^i{row % 5}" for row in rows],
                "seen__item": [f"i{row % 17}^i{row % 5}" for row in rows],
                "click": [int(row * 11 % 19 < 7) for row in rows],
                "order": [int(row * 11 % 19 < 3) for row in rows],
            }
        ).write_csv(folder / f"{split}.csv")


def tree_of(text: str) -> Any:
    """Parse YAML."""
    value, _ = parsed(text, str)
    return value


def with_value(tree: Any, at: tuple[Any, ...], value: Any) -> Any:
    """Return a copy of a tree with another value at a place."""
    changed = copy.deepcopy(tree)
    node = changed
    for step in at[:-1]:
        node = node[step]
    node[at[-1]] = value
    return changed


def as_text_format(value: Any) -> str:
    """Write a value as protobuf text."""
    if isinstance(value, dict):
        return "{ " + " ".join(f"{name}: {as_text_format(of)}" for name, of in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_text_format, value)) + "]"
    if isinstance(value, str):
        return '"' + "".join(f"\\{byte:03o}" for byte in value.encode()) + '"'
    return "none" if value is None else str(value).lower()
