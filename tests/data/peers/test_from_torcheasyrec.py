"""A pipeline.config of TorchEasyRec says columns, labels, model and settings."""

import re
from pathlib import Path
from typing import Any

import pytest

from hinet_search.common.errors import ConfigurationError
from hinet_search.data.peers.found import FoundConfiguration, FoundInput
from hinet_search.data.peers.torcheasyrec import read_torcheasyrec
from tests.data.peers.peer_files import BOTTOM, DCN, MMOE, PEPNET, PIPELINE, PLE, pipeline_file


def found(folder: Path, model: str = MMOE, text: str = PIPELINE) -> FoundConfiguration:
    return read_torcheasyrec(pipeline_file(folder, model, text))


def of_model(configuration: FoundConfiguration) -> dict[str, Any]:
    settings = configuration.carried.settings
    return {name: settings[name] for name in settings if name.startswith("model.")}


def named(configuration: FoundConfiguration) -> set[str]:
    return {unread.key for unread in configuration.all_unread}


def test_features_in_a_group_are_inputs_by_their_kind(tmp_path: Path) -> None:
    configuration = found(tmp_path)
    assert configuration.inputs == (
        FoundInput("user", "categorical"),
        FoundInput("item", "categorical"),
        FoundInput("channel", "categorical"),
        FoundInput("price", "numeric"),
        FoundInput("seen__item", "list", item="item", length=3, separator="^"),
    )
    assert configuration.crosses == (("user", "item"),)
    assert named(configuration) >= {"feature unused", "feature rate"}


def test_buckets_are_those_of_categories_and_crosses_and_the_hash_is_told(tmp_path: Path) -> None:
    text = PIPELINE.replace('"item:item"] emb', '"item:item"] hash_bucket_size: 500 emb')
    text = text.replace('"item" embedding_dim', '"item" hash_bucket_size: 7 embedding_dim')
    configuration = found(tmp_path, text=text)
    assert configuration.hashed == {"item": 9, "user x item": 500}
    words = [unread.in_words for unread in configuration.unread]
    why = "hashes are others here, and so are the values that share a row"
    assert f"feature item: hash_bucket_size (9): {why}" in words
    assert f"feature pair: hash_bucket_size (500): {why}" in words
    assert any(each.startswith("feature seen__item: hash_bucket_size (7): ids") for each in words)


@pytest.mark.parametrize("size", ["0", "1", "-3", "4000000000", "true", '"9"', "{ a: 1 }"])
def test_a_number_of_buckets_that_there_cannot_be_is_told(size: str, tmp_path: Path) -> None:
    text = PIPELINE.replace("hash_bucket_size: 9", f"hash_bucket_size: {size}")
    configuration = found(tmp_path, text=text)
    assert configuration.hashed == {}
    assert any("hash_bucket_size" in name for name in named(configuration))


RENAMED = PIPELINE.replace('"user:user" num', '"user:visitor" num').replace(
    '"item" embedding_dim', '"item" expression: "item:shown" embedding_dim'
)


@pytest.mark.parametrize("mode", ["FG_DAG", "FG_NORMAL", "FG_NONE", "FG_BUCKETIZE"])
def test_columns_are_those_of_expressions_unless_features_are_made(
    tmp_path: Path, mode: str
) -> None:
    configuration = found(tmp_path, text=RENAMED.replace("FG_DAG", mode))
    columns = [column.column for column in configuration.inputs]
    reads_expressions = mode in ("FG_DAG", "FG_NORMAL")
    expected = ("visitor", "seen__shown") if reads_expressions else ("user", "seen__item")
    assert (columns[0], columns[-1]) == expected


def test_a_feature_that_is_made_is_a_column_to_be_named(tmp_path: Path) -> None:
    configuration = found(tmp_path, text=PIPELINE.replace("  fg_mode: FG_DAG\n", ""))
    assert configuration.crosses == ()
    words = [unread.in_words for unread in configuration.unread]
    remedy = "is made by their code: name its column in the definition"
    assert f"feature pair: combo_feature {remedy}" in words
    assert f"feature rate: lookup_feature {remedy}" in words


def test_a_list_shares_the_embedding_of_its_name_or_of_the_one_it_names(tmp_path: Path) -> None:
    configuration = found(tmp_path)
    words = [unread.in_words for unread in configuration.unread]
    assert "feature seen__item: shares the embedding of item here" in words
    of_user = '"item" embedding_name: "user_emb" embedding_dim'
    named_table = PIPELINE.replace('"item" embedding_dim', of_user)
    (tmp_path / "named").mkdir()
    configuration = found(tmp_path / "named", text=named_table)
    assert configuration.inputs[-1].item == "user"
    assert "feature seen__item" not in named(configuration)


def test_without_groups_a_feature_must_have_a_name_too(tmp_path: Path) -> None:
    text = re.sub(r"feature_groups \{.*?\}", "", PIPELINE, flags=re.DOTALL)
    assert len(found(tmp_path, text=text).inputs) == 6
    (tmp_path / "nameless").mkdir()
    with pytest.raises(ConfigurationError, match="feature_name must be a text, got None"):
        found(tmp_path / "nameless", text=text.replace('feature_name: "user"', ""))


def test_a_task_is_a_tower_and_its_label(tmp_path: Path) -> None:
    assert found(tmp_path).tasks == {"ctr": "click", "cvr": "order"}


def test_without_towers_every_label_is_a_task(tmp_path: Path) -> None:
    configuration = found(tmp_path, DCN)
    assert configuration.tasks == {"click": "click", "order": "order"}


def test_settings_are_carried_over_with_rate_and_optimiser_of_embeddings(tmp_path: Path) -> None:
    configuration = found(tmp_path)
    assert configuration.model == "mmoe"
    assert configuration.carried.settings == {
        "train.learning_rate": 0.002,
        "train.embedding_optimiser": "rowwise_adagrad",
        "train.embedding_learning_rate_multiplier": 5.0,
        "train.passes": 2,
        "train.batch_size": 32,
        "train.task_weights.ctr": 2.0,
        "model.embedding_dim": 4,
        "model.num_experts": 2,
        "model.expert.widths": (16, 8),
        "model.tower.widths": (8,),
        "model.dropout": 0.1,
    }
    assert named(configuration) == {
        "feature unused",
        "feature rate",
        "feature seen__item",
        "model_dir",
        "feature_configs.id_feature.num_buckets",
        "feature item: hash_bucket_size",
        "feature_configs.lookup_feature.map",
        "feature_configs.lookup_feature.key",
        "model_config.feature_groups.group_name",
        "model_config.feature_groups.group_type",
    }


def test_levels_of_a_ple_that_differ_are_named(tmp_path: Path) -> None:
    configuration = found(tmp_path, PLE)
    assert of_model(configuration) == {
        "model.slots": "task",
        "model.num_levels": 2,
        "model.num_specific_experts": 1,
        "model.num_shared_experts": 2,
        "model.expert.widths": (16, 8),
        "model.tower.widths": (8,),
        "model.embedding_dim": 4,
    }
    words = [unread.in_words for unread in configuration.all_unread]
    key = "model_config.ple.extraction_networks.expert_num_per_task"
    assert f"{key} (3): differs from the value before it, which is taken for all" in words


def test_a_label_of_no_tower_is_named(tmp_path: Path) -> None:
    words = [unread.in_words for unread in found(tmp_path, PLE).all_unread]
    assert "data_config.label_fields (order): is the label of no tower" in words


def test_the_domain_of_a_pepnet_is_the_scenario(tmp_path: Path) -> None:
    configuration = found(tmp_path, PEPNET)
    assert configuration.scenario == "channel"
    assert of_model(configuration) == {
        "model.widths": (16, 8),
        "model.gate_width": 4,
        "model.embedding_dim": 4,
    }
    keys = {"model_config.pepnet.ppnet_gamma", "model_config.pepnet.task_towers.mlp.hidden_units"}
    assert named(configuration) >= keys
    assert "model_config.pepnet.epnet_gamma" not in named(configuration)


def test_a_cross_of_low_rank_is_one_expert(tmp_path: Path) -> None:
    assert of_model(found(tmp_path, DCN)) == {
        "model.cross.kind": "low_rank",
        "model.cross.num_experts": 1,
        "model.cross.num_layers": 2,
        "model.cross.rank": 8,
        "model.structure": "parallel",
        "model.widths": (16,),
        "model.tower.widths": (8,),
        "model.embedding_dim": 4,
    }


def test_a_dbmtl_of_a_bottom_and_towers_alone_is_a_shared_bottom(tmp_path: Path) -> None:
    configuration = found(tmp_path, BOTTOM)
    assert (configuration.their_model, configuration.model) == ("dbmtl", "shared_bottom")
    assert of_model(configuration) == {
        "model.trunk.widths": (16, 8),
        "model.tower.widths": (8,),
        "model.embedding_dim": 4,
    }


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("bottom_mlp { hidden_units: [16, 8] }", ""),
        ("bottom_mlp", "num_expert: 2 bottom_mlp"),
        ('label_name: "click"', 'label_name: "click" relation_tower_names: "cvr"'),
    ],
)
def test_any_other_dbmtl_is_no_model_here(tmp_path: Path, before: str, after: str) -> None:
    assert before in BOTTOM
    configuration = found(tmp_path, BOTTOM.replace(before, after))
    assert configuration.model == ""
    assert "model dbmtl" in named(configuration)


def test_keys_of_a_model_that_is_not_here_are_named_but_its_tasks_are_read(tmp_path: Path) -> None:
    configuration = found(tmp_path, MMOE.replace("mmoe", "dbmtl"))
    assert configuration.model == ""
    assert configuration.tasks == {"ctr": "click", "cvr": "order"}
    assert named(configuration) >= {"model dbmtl", "model_config.dbmtl.num_expert"}


@pytest.mark.parametrize("key", ["new_key: 1", "new_key { inner: 1 }", "new_key {}"])
@pytest.mark.parametrize(
    "before",
    ["model_dir:", "num_epochs:", "dataset_type:", "num_buckets: 3", "group_name:", "num_expert:"],
)
def test_a_field_without_a_rule_is_named(tmp_path: Path, before: str, key: str) -> None:
    text = PIPELINE.replace("MODEL", MMOE).replace(before, f"{key} {before}", 1)
    assert text != PIPELINE.replace("MODEL", MMOE)
    names = named(found(tmp_path, text=text))
    assert any("new_key" in name for name in names), names


@pytest.mark.parametrize(
    ("before", "after", "key"),
    [
        (
            "adam_optimizer { lr: 0.002",
            "adam_optimizer { lr: 0.002 weight_decay: 0.1",
            "weight_decay",
        ),
        ("rowwise_adagrad_optimizer", "sgd_optimizer", "sgd_optimizer.lr"),
        (
            "constant_learning_rate",
            "cosine_annealing_learning_rate",
            "cosine_annealing_learning_rate",
        ),
        ("sequence_length: 3", "sequence_length: 9999", "feature seen__item: sequence_length"),
        ("num_expert: 2", "num_expert: 2 gate_mlp { hidden_units: 4 }", "gate_mlp.hidden_units"),
        (
            "weight: 2",
            "weight: 2 task_space_indicator_label: 'click'",
            "task_space_indicator_label",
        ),
        ("weight: 2", "weight: 2 out_task_space_weight: 0", "out_task_space_weight"),
    ],
)
def test_a_field_that_means_something_else_than_here_is_named(
    tmp_path: Path, before: str, after: str, key: str
) -> None:
    text = PIPELINE.replace("MODEL", MMOE).replace(before, after, 1)
    names = named(found(tmp_path, text=text))
    assert any(name.endswith(key) for name in names), names


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("num_epochs: 2", "num_epochs: -2", "num_epochs must be a whole number from 1"),
        ("lr: 0.002", "lr: 'fast'", "lr must be a number above 0, at most 10,000, got 'fast'"),
        ("lr: 0.01", "lr: 0", "must be a number above 0, at most 10,000"),
        ("weight: 2", "weight: -1", "must be a number above 0, at most 10,000"),
        ("data_config {", "data_config {} data_config {", "data_config must be one message"),
        (
            "num_expert: 2",
            "num_expert: 2 } ple {",
            "model_config must have one model, got mmoe, ple",
        ),
        ('feature_name: "price"', "feature_name: 5", "feature_name must be a text, got 5"),
        ('label_name: "click"', "", "task_towers must each have tower_name and label_name"),
        ('"cvr"', '"ctr"', "task_towers must have names of their own, got one twice"),
        ("model_config {", "model_config { {", "a field's name must follow, got '{'"),
    ],
)
def test_a_wrong_field_is_refused(tmp_path: Path, before: str, after: str, message: str) -> None:
    text = PIPELINE.replace("MODEL", MMOE).replace(before, after, 1)
    with pytest.raises(ConfigurationError) as caught:
        found(tmp_path, text=text)
    assert message in str(caught.value)
    assert "shop.config:" in str(caught.value)


def test_one_column_of_weights_is_carried_over_and_several_are_named(tmp_path: Path) -> None:
    text = PIPELINE.replace("with_header", 'sample_weight_fields: "worth" with_header')
    assert found(tmp_path, text=text).weight == "worth"
    (tmp_path / "two").mkdir()
    several = text.replace('"worth"', '["worth", "other"]')
    configuration = found(tmp_path / "two", text=several)
    assert configuration.weight == ""
    assert "data_config.sample_weight_fields" in named(configuration)
