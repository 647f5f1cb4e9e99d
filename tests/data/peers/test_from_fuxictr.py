"""A folder of FuxiCTR says columns, labels, model and settings; what it says more is named."""

from pathlib import Path
from typing import Any

import pytest

from hinet_search.common.errors import ConfigurationError
from hinet_search.data.peers.found import FoundConfiguration, FoundInput
from hinet_search.data.peers.fuxictr import read_fuxictr
from hinet_search.data.peers.fuxictr_rules import MODELS
from tests.data.peers.peer_files import DATASET, EXPERIMENTS, fuxictr_folder

SETTINGS: dict[str, Any] = {
    "features.minimum_frequency": 2,
    "train.patience": 2,
    "train.batch_size": 32,
    "train.learning_rate": 0.002,
    "train.passes": 3,
    "train.weight_decay": 0.0,
    "train.embedding_l2": 1e-6,
    "seed": 7,
    "model.num_experts": 2,
    "model.expert.widths": (16, 8),
    "model.tower.widths": (8,),
    "model.dropout": 0.1,
    "model.embedding_dim": 4,
}


def found(
    folder: Path, dataset: str = DATASET, experiments: str = EXPERIMENTS
) -> FoundConfiguration:
    return read_fuxictr(fuxictr_folder(folder, dataset, experiments))


def named(configuration: FoundConfiguration) -> set[str]:
    return {unread.key for unread in configuration.all_unread}


def test_features_are_inputs_by_their_type(tmp_path: Path) -> None:
    assert found(tmp_path).inputs == (
        FoundInput("user", "categorical"),
        FoundInput("item", "categorical"),
        FoundInput("channel", "categorical"),
        FoundInput("price", "numeric"),
        FoundInput("seen", "list", item="item", length=3, separator="^"),
    )


def test_every_label_is_a_task_and_groups_of_gauc_are_users(tmp_path: Path) -> None:
    configuration = found(tmp_path)
    assert configuration.tasks == {"click": "click", "order": "order"}
    assert configuration.user == "user"


def test_settings_of_model_and_training_are_carried_over(tmp_path: Path) -> None:
    configuration = found(tmp_path)
    assert configuration.model == "mmoe"
    assert configuration.carried.settings == SETTINGS
    assert configuration.carried.keys["model.expert.widths"] == "expert_hidden_units"


def test_what_is_not_carried_over_is_named_with_its_value_and_the_reason(tmp_path: Path) -> None:
    configuration = found(tmp_path)
    assert named(configuration) == {
        "feature hour",
        "feature hidden",
        "data_root",
        "feature_cols.dtype",
        "label_col.dtype",
        "model_root",
        "gate_hidden_units",
    }
    words = [unread.in_words for unread in configuration.all_unread]
    assert "gate_hidden_units (4): gates are linear, without hidden layers" in words
    assert "feature_cols.dtype (str and 1 other value): types follow from the values" in words


@pytest.mark.parametrize("level", ["  ", "    - {new_key: 1, name: x, type: numeric}\n  "])
def test_a_key_without_a_rule_is_named(tmp_path: Path, level: str) -> None:
    dataset = DATASET.replace("  label_col:", f"{level}new_key: 1\n  label_col:")
    experiments = EXPERIMENTS + "  other_key: {inner: 2}\n"
    keys = named(found(tmp_path, dataset, experiments))
    assert "other_key.inner" in keys
    assert {"new_key", "feature_cols.new_key"} & keys


@pytest.mark.parametrize(
    ("key", "before", "after"),
    [
        ("batch_norm", "False", "True"),
        ("hidden_activations", "relu", "[relu, Dice]"),
        ("optimizer", "adam", "adagrad"),
        ("shuffle", "True", "False"),
        ("reduce_lr_on_plateau", "False", "True"),
        ("net_regularizer", "0", "1.e-5"),
        ("eval_steps", "null", "100"),
        ("net_dropout", "0.1", "[0.1, 0.2]"),
        ("expert_hidden_units", "[16, 8]", "[]"),
    ],
)
def test_a_value_that_means_something_else_than_here_is_named(
    tmp_path: Path, key: str, before: str, after: str
) -> None:
    assert f"{key}: {before}" in EXPERIMENTS
    experiments = EXPERIMENTS.replace(f"{key}: {before}", f"{key}: {after}")
    assert named(found(tmp_path, experiments=experiments)) >= {key}


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("num_experts: 2", "num_experts: two", "num_experts must be a whole number from 1"),
        ("epochs: 3", "epochs: 0", "epochs must be a whole number from 1 to 1,000,000, got 0"),
        ("[16, 8]", "[16, -8]", "expert_hidden_units must be a whole number from 1"),
        ("2.e-3", "yes", "learning_rate must be a number above 0, at most 10,000, got 'yes'"),
        ("net_dropout: 0.1", "net_dropout: 1.5", "net_dropout must be a share from 0, below 1"),
        ("seed: 7", "seed: -7", "seed must be a whole number from 0, below 2^63, got -7"),
        ("group_id: user", "group_id: 5", "group_id must be a text, got 5"),
        ("MMoE_1:", "MMoE_1: 3\nother:", "'MMoE_1' must be a mapping of keys, got 3"),
        ("  task:", "  task: !!python/object:os.system x\n  task2:", "tags are not allowed"),
    ],
)
def test_a_wrong_value_of_an_experiment_is_refused_with_its_place(
    tmp_path: Path, before: str, after: str, message: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        found(tmp_path, experiments=EXPERIMENTS.replace(before, after))
    assert message in str(caught.value)
    assert "model_config.yaml:" in str(caught.value)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("name: channel", "name: item", "a column is a feature once, got 'item' twice"),
        ("name: channel", "name: 5", "name must be a text or a list of texts, got [5]"),
        ("    - {name: channel", "    - 5\n    - {name: channel", "feature_cols must be a mapping"),
        ("data_format: csv", "data_format: [csv]", "data_format must be a text, got ['csv']"),
    ],
)
def test_a_wrong_value_of_a_data_set_is_refused_with_its_place(
    tmp_path: Path, before: str, after: str, message: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        found(tmp_path, DATASET.replace(before, after))
    assert message in str(caught.value)
    assert "dataset_config.yaml:" in str(caught.value)


def test_a_data_set_without_a_label_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="label_col must name a label, got none"):
        found(tmp_path, DATASET.partition("  label_col")[0])


def test_of_several_experiments_one_must_be_named(tmp_path: Path) -> None:
    folder = fuxictr_folder(tmp_path, experiments=f"{EXPERIMENTS}MMoE_2: {{model: PLE}}\n")
    with pytest.raises(
        ConfigurationError, match="--experiment must be one of MMoE_1, MMoE_2, got none"
    ):
        read_fuxictr(folder)
    assert read_fuxictr(folder, experiment="MMoE_2").model == "ple"
    with pytest.raises(ConfigurationError, match=r"got 'MMoE_3'; did you mean 'MMoE_"):
        read_fuxictr(folder, experiment="MMoE_3")


def test_the_data_set_is_that_of_the_experiment_unless_another_is_named(tmp_path: Path) -> None:
    other = DATASET.replace("shop:", "other:").replace("order", "cart")
    folder = fuxictr_folder(tmp_path, f"{DATASET}{other}")
    assert read_fuxictr(folder).name == "shop"
    assert list(read_fuxictr(folder, dataset="other").tasks) == ["click", "cart"]
    with pytest.raises(
        ConfigurationError, match="--dataset must be one of shop, other, got 'shops'"
    ):
        read_fuxictr(folder, dataset="shops")


def test_a_data_set_that_is_not_there_is_named_beside_the_only_one(tmp_path: Path) -> None:
    experiments = EXPERIMENTS.replace("dataset_id: shop", "dataset_id: TBD")
    folder = fuxictr_folder(tmp_path, experiments=experiments)
    words = [unread.in_words for unread in read_fuxictr(folder).all_unread]
    assert "dataset_id (TBD): is not there; shop is the only data set" in words
    assert "dataset_id" not in named(read_fuxictr(folder, dataset="shop"))


def test_a_folder_without_configurations_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="must have a section for --dataset, found none"):
        read_fuxictr(tmp_path)
    with pytest.raises(ConfigurationError, match="--from-fuxictr must be a folder"):
        read_fuxictr(tmp_path / "none")


def test_configurations_may_be_split_into_files_of_a_folder(tmp_path: Path) -> None:
    folder = fuxictr_folder(tmp_path)
    for stem in ("dataset_config", "model_config"):
        (folder / stem).mkdir()
        (folder / f"{stem}.yaml").rename(folder / stem / "one.yaml")
    assert read_fuxictr(folder).carried.settings == SETTINGS


def test_columns_of_encoded_rows_are_those_of_their_feature_map(tmp_path: Path) -> None:
    dataset = (
        "shop: {data_root: ../rows/, data_format: parquet, train_data: ../rows/train.parquet}\n"
    )
    folder = fuxictr_folder(tmp_path, dataset)
    with pytest.raises(ConfigurationError, match=r"must have feature_cols, or a feature_map\.json"):
        read_fuxictr(folder)
    (tmp_path / "rows" / "shop").mkdir()
    (tmp_path / "rows" / "shop" / "feature_map.json").write_text(
        '{"labels": ["click"], "features": [{"user": {"type": "categorical", "vocab_size": 9}},'
        ' {"group": {"type": "meta"}}]}'
    )
    configuration = read_fuxictr(folder)
    assert configuration.tasks == {"click": "click"}
    assert configuration.inputs == (FoundInput("user", "categorical"),)
    assert "feature_map.vocab_size" in named(configuration)


def test_lists_of_encoded_rows_have_no_separator_and_their_padding_is_named(tmp_path: Path) -> None:
    dataset = "shop: {data_root: ../rows/, data_format: parquet, train_data: train.parquet}\n"
    folder = fuxictr_folder(tmp_path, dataset)
    (tmp_path / "rows" / "shop").mkdir()
    seen = '"type": "sequence", "share_embedding": "item", "padding_idx": 0, "max_len": 5'
    (tmp_path / "rows" / "shop" / "feature_map.json").write_text(
        '{"num_fields": 2, "labels": ["click"], "features": '
        f'[{{"item": {{"type": "categorical"}}}}, {{"seen": {{{seen}}}}}]}}'
    )
    configuration = read_fuxictr(folder)
    assert configuration.inputs[1] == FoundInput("seen", "list", "item", 5, separator="")
    words = [unread.in_words for unread in configuration.all_unread]
    padding = "feature seen: padding_idx (0): counts as an entry: take it out of encoded lists"
    assert padding in words
    assert "feature_map.num_fields (2): follows from the rows" in words


def test_features_that_the_experiment_does_not_use_are_no_inputs(tmp_path: Path) -> None:
    experiments = f"{EXPERIMENTS}  use_features: [user, price]\n"
    columns = [column.column for column in found(tmp_path, experiments=experiments).inputs]
    assert columns == ["user", "price"]


def test_of_a_model_that_is_not_here_there_is_no_arm_and_its_keys_are_named(tmp_path: Path) -> None:
    configuration = found(tmp_path, experiments=EXPERIMENTS.replace("model: MMoE", "model: DeepFM"))
    assert configuration.model == ""
    assert named(configuration) >= {"model DeepFM", "num_experts", "expert_hidden_units"}
    assert configuration.carried.settings["train.learning_rate"] == 0.002


@pytest.mark.parametrize(
    ("keys", "settings", "unused"),
    [
        (
            "model_structure: stacked, use_low_rank_mixture: True",
            {
                "model.structure": "stacked",
                "model.cross.kind": "nonlinear",
                "model.cross.rank": 8,
                "model.cross.num_experts": 2,
                "model.widths": (16,),
            },
            {"parallel_dnn_hidden_units"},
        ),
        (
            "model_structure: parallel, use_low_rank_mixture: False",
            {
                "model.structure": "parallel",
                "model.cross.kind": "full",
                "model.widths": (8,),
            },
            {"stacked_dnn_hidden_units", "low_rank", "num_experts"},
        ),
    ],
)
def test_a_dcn_v2_carries_the_keys_that_its_structure_uses(
    tmp_path: Path, keys: str, settings: dict[str, Any], unused: set[str]
) -> None:
    experiments = (
        f"DCN: {{model: DCNv2, {keys}, low_rank: 8, num_experts: 2, "
        "stacked_dnn_hidden_units: [16], parallel_dnn_hidden_units: [8]}"
    )
    configuration = found(tmp_path, experiments=experiments)
    carried = dict(configuration.carried.settings)
    assert {name: value for name, value in carried.items() if name.startswith("model.")} == settings
    assert named(configuration) >= unused


def test_every_model_of_theirs_is_one_of_ours() -> None:
    from hinet_search.common.plugins import names

    assert {model.model for model in MODELS.values()} <= set(names("hinet_search.models"))
