"""Exports for FuxiCTR: its network with the found weights scores as ours, and settings are read back."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
import yaml
from torch import nn

from hinet_search.api import export_for
from hinet_search.data.peers.fuxictr import read_fuxictr
from hinet_search.data.peers.said import flat
from hinet_search.serving.model_folder import file_of_folder
from hinet_search.serving.peers.formats.fuxictr import _in_yaml
from hinet_search.serving.peers.write import PeerExport
from hinet_search.study.yaml_file import read
from tests.serving.fuxictr_layers import Network
from tests.serving.shop import Shop

CLOSE = 1e-5
SAME_NETWORKS = ("of_tasks/bottom", "of_tasks/mmoe", "of_tasks/ple", "of_tasks/scaled")
SAME_NETWORKS += tuple(f"of_one_task/{arm}" for arm in ("full", "stacked", "mixture", "shallow"))
OTHERS = {  # and why theirs is another network
    "of_tasks/deep_ple": "shared gates of PLE: mix the shared experts alone there",
    "of_tasks/attentive": "list seen (attention): is pooled by its mean there",
    "of_tasks/binned": "number price (bins): is read as a number alone there",
    "of_one_task/gated": "gates of crosses: are the same in all layers there",
    "of_one_task/low_rank": "model.cross.kind (low_rank): experts of low rank have tanh there",
    "of_one_task/pepnet": "EPNet: is not there: the scenario is one more feature",
    "of_one_task/final_mlp": "weights of FinalMLP: are not converted",
    "of_scenarios/mmoe": "gates and towers: are of a task there, of 3 scenarios and a task here",
    "of_scenarios/ple": "model.slots (scenario_task): is task there",
}


def exported(target: str, to: Path, request: pytest.FixtureRequest) -> tuple[Shop, PeerExport]:
    """Export `STUDY/ARM` for FuxiCTR."""
    study, arm = target.split("/")
    shop: Shop = request.getfixturevalue(study)
    return shop, export_for("fuxictr", shop.study, to, arm=arm, output=shop.out)


@pytest.mark.parametrize("target", SAME_NETWORKS)
def test_their_network_with_the_found_weights_has_our_logits(
    target: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    shop, written = exported(target, tmp_path / "fuxi", request)
    theirs_RT = Network(written.folder).logits()
    ours_RT = shop.test_logits(target.split("/")[1], Network(written.folder).experiment["seed"])
    assert len(theirs_RT) == written.num_rows["test"] > 400
    assert np.abs(theirs_RT - ours_RT).max() < CLOSE
    assert np.ptp(ours_RT) > 100 * CLOSE


@pytest.mark.parametrize("target", OTHERS)
def test_without_the_same_network_no_weights_are_written_and_the_reason_is_told(
    target: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    _, written = exported(target, tmp_path / "fuxi", request)
    assert not (tmp_path / "fuxi" / "weights").exists()
    assert OTHERS[target] in written.unsaid
    assert f"- {OTHERS[target]}\n" in (tmp_path / "fuxi" / "NOTES.md").read_text()


@pytest.mark.parametrize("target", [*SAME_NETWORKS, *OTHERS])
def test_every_setting_is_read_back_or_told(
    target: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    model = exported_model(target, tmp_path / "model", request)
    written = export_for("fuxictr", model, tmp_path / "fuxi")
    (of_model,) = file_of_folder(model).models
    settings = flat(of_model.settings)
    found = read_fuxictr(written.folder)
    read_back = {**found.defaults, **found.carried.settings}
    told = {words.split(" ")[0].rstrip(":") for words in written.unsaid}
    told |= {setting for setting, kind in TOLD_BY_INPUT.items() if kind in told}
    silent = {
        name: value
        for name, value in settings.items()
        if read_back.get(name) != value and name not in told
    }
    assert {name: value for name, value in silent.items() if IS_SO_ANYWAY.get(name) != value} == {}
    assert found.carried.settings["seed"] == of_model.seeds[0].seed
    assert [each.key for each in found.unread if not each.key.startswith("feature")] == []


TOLD_BY_INPUT = {"features.pooling": "list", "features.number_encoding": "number"}
IS_SO_ANYWAY = {  # where nothing is said of it
    "train.optimiser": "adam",
    "train.embedding_optimiser": "adam",
    "train.embedding_learning_rate_multiplier": 1.0,
    "train.precision": "fp32",
    "train.shuffle": "rows",
    "train.loss": "cross_entropy",
    "train.ranking_weight": 0.5,  # of other losses
    "train.teacher_weight": 0.0,
    "train.teacher_temperature": 1.0,
    "train.scenario_weights": "rows",
    "features.groups": "all",
    "features.pooling": None,
    "features.number_encoding": "standardised",
    "model.protocol": "mdmt",
    "model.slots": "scenario_task",  # of one scenario
    "model.cross.rank": 32,  # the defaults of full crosses, which have none
    "model.cross.num_experts": 4,
    "model.tower.widths": (),
}


def exported_model(target: str, to: Path, request: pytest.FixtureRequest) -> Path:
    study, arm = target.split("/")
    shop: Shop = request.getfixturevalue(study)
    shop.export(arm, to)
    return to


def test_an_exported_model_has_the_weights_of_its_study_and_no_rows(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    _, of_study = exported("of_tasks/mmoe", tmp_path / "fuxi", request)
    model = exported_model("of_tasks/mmoe", tmp_path / "model", request)
    of_model = export_for("fuxictr", model, tmp_path / "again")
    weights = "weights/MMoE_shop.model"
    assert {"train": 1, "valid": 1, "test": 1}.keys() == of_study.num_rows.keys()
    assert of_model.num_rows == {}
    assert [name for name in of_model.files if name.endswith("parquet")] == []
    ours, again = (torch.load(each.folder / weights) for each in (of_study, of_model))
    assert all(torch.equal(ours[name], again[name]) for name in ours.keys() | again.keys())
    assert "Export the study to get them" in (of_model.folder / "NOTES.md").read_text()


def test_files_are_the_same_in_yaml_1_1_which_fuxictr_reads(tmp_path: Path, of_tasks: Shop) -> None:
    written = export_for(
        "fuxictr", of_tasks.study, tmp_path / "fuxi", arm="mmoe", output=of_tasks.out
    )
    for name in ("dataset_config.yaml", "model_config.yaml"):
        path = written.folder / name
        assert yaml.safe_load(path.read_text()) == read(path).tree
    assert _in_yaml(1e-5) == "1.0e-05"
    assert yaml.safe_load(_in_yaml((1e-5, 2.5e-7, 0.001))) == [1e-5, 2.5e-7, 0.001]


def test_columns_have_names_that_a_torch_module_takes_and_the_notes_tell_them(
    tmp_path: Path, of_tasks: Shop
) -> None:
    written = export_for(
        "fuxictr", of_tasks.study, tmp_path / "fuxi", arm="mmoe", output=of_tasks.out
    )
    rows = pl.read_parquet(written.folder / "shop" / "test.parquet")
    nn.ModuleDict({name: nn.Identity() for name in rows.columns})
    assert {"type_", "the_colour"} < set(rows.columns)
    notes = (written.folder / "NOTES.md").read_text()
    assert "- type is type_\n" in notes
    assert "- the colour is the_colour\n" in notes


def test_a_value_has_the_id_that_its_rows_have(tmp_path: Path, of_tasks: Shop) -> None:
    written = export_for(
        "fuxictr", of_tasks.study, tmp_path / "fuxi", arm="mmoe", output=of_tasks.out
    )
    ids = json.loads((written.folder / "shop" / "feature_vocab.json").read_text())
    raw = raw_test_rows(of_tasks)
    encoded = pl.read_parquet(written.folder / "shop" / "test.parquet")
    for column, name in (("user", "user"), ("the colour", "the_colour"), ("place", "place")):
        values = raw[column].cast(pl.String).to_list()
        expected = [ids[name].get(value, ids[name]["__OOV__"]) for value in values]
        assert encoded[name].to_list() == expected


def test_a_list_has_the_ids_of_its_entries_then_empty_slots(tmp_path: Path, of_tasks: Shop) -> None:
    written = export_for(
        "fuxictr", of_tasks.study, tmp_path / "fuxi", arm="mmoe", output=of_tasks.out
    )
    ids = json.loads((written.folder / "shop" / "feature_vocab.json").read_text())["tags"]
    encoded = pl.read_parquet(written.folder / "shop" / "test.parquet")["tags"].to_list()
    for entries, slots in zip(raw_test_rows(of_tasks)["tags"].to_list(), encoded, strict=True):
        known = [ids[entry] for entry in entries or []]
        assert slots == known + [0] * (3 - len(known))


def test_a_table_has_a_row_for_every_id(tmp_path: Path, of_tasks: Shop) -> None:
    of_tasks.export("mmoe", tmp_path / "model")
    folder = export_for("fuxictr", tmp_path / "model", tmp_path / "fuxi").folder / "shop"
    about = json.loads((folder / "feature_map.json").read_text())["features"]
    specs = {name: spec for feature in about for name, spec in feature.items()}
    for name, ids in json.loads((folder / "feature_vocab.json").read_text()).items():
        assert sorted(set(ids.values())) == list(range(specs[name]["vocab_size"]))


def raw_test_rows(shop: Shop) -> pl.DataFrame:
    """The rows of test as they are in the table."""
    raw = pl.read_parquet(shop.study.with_name("shop.parquet"))
    return raw.filter((pl.col("minute") >= 1200) & (pl.col("place") == 1))
