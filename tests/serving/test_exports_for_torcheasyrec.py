"""Exports for TorchEasyRec: messages that it knows, a tower for each scenario and task, settings that are read back."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml

from hinet_search.api import export_for
from hinet_search.data.peers.said import flat
from hinet_search.data.peers.text_format import parsed_text_format
from hinet_search.data.peers.torcheasyrec import read_torcheasyrec
from hinet_search.serving.model_folder import file_of_folder
from hinet_search.serving.peers.write import PeerExport
from tests.serving.shop import Shop
from tests.serving.torcheasyrec_messages import faults

TARGETS = [
    f"of_tasks/{arm}" for arm in ("bottom", "mmoe", "ple", "deep_ple", "pepnet", "attentive")
]
TARGETS += [f"of_one_task/{arm}" for arm in ("full", "stacked", "gated", "low_rank", "pepnet")]
TARGETS += [f"of_scenarios/{arm}" for arm in ("bottom", "mmoe", "ple", "ple_of_tasks", "pepnet")]
TOLD = {
    "of_one_task/full": "model.cross.kind (full): is two matrices there, whose product is any",
    "of_one_task/stacked": "output: has no bias there",
    "of_one_task/gated": "model.cross.kind (nonlinear): experts of low rank are linear there",
    "of_one_task/pepnet": "model.gate_width (64): is that of EPNet alone there; "
    "PPNet's gates are as wide as their layer",
    "of_scenarios/ple_of_tasks": "towers: are of a task there, of 3 scenarios and a task here",
    "of_scenarios/bottom": "metrics of towers: are of the rows of all scenarios there; losses are not",
    "of_tasks/mmoe": "gates: have a bias there",
}


def exported(target: str, to: Path, request: pytest.FixtureRequest) -> PeerExport:
    """Export `STUDY/ARM` for TorchEasyRec."""
    study, arm = target.split("/")
    shop: Shop = request.getfixturevalue(study)
    return export_for("torcheasyrec", shop.study, to, arm=arm, output=shop.out)


def pipeline(folder: Path) -> dict[str, Any]:
    """The fields of pipeline.config."""
    text = (folder / "pipeline.config").read_text()
    return parsed_text_format(text, lambda mark: f"pipeline.config:{mark[0]}")[0]


@pytest.mark.parametrize("target", TARGETS)
def test_a_configuration_has_fields_that_there_are_and_none_is_missing(
    target: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    written = exported(target, tmp_path / "easyrec", request)
    assert list(faults("EasyRecConfig", pipeline(written.folder))) == []
    told = [target in TOLD and words == TOLD[target] for words in written.unsaid]
    assert any(told) == (target in TOLD)


@pytest.mark.parametrize("target", TARGETS)
def test_every_setting_is_read_back_or_told_to_torcheasyrec(
    target: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    study, arm = target.split("/")
    request.getfixturevalue(study).export(arm, tmp_path / "model")
    written = exported(target, tmp_path / "easyrec", request)
    settings = flat(file_of_folder(tmp_path / "model").models[0].settings)
    carried = read_torcheasyrec(written.folder / "pipeline.config").carried.settings
    told = {words.split(" ")[0].rstrip(":") for words in written.unsaid}
    told |= {"features.pooling"} if "list" in told else set()
    silent = {
        name: value
        for name, value in settings.items()
        if carried.get(name) != value and name not in told
    }
    expected = {**IS_SO_ANYWAY, **IS_SO_OF.get(target, {})}
    assert {name: value for name, value in silent.items() if expected.get(name, "") != value} == {}


IS_SO_ANYWAY = {  # where nothing is said of it
    "train.optimiser": "adam",
    "train.precision": "fp32",
    "train.shuffle": "rows",
    "train.loss": "cross_entropy",
    "train.ranking_weight": 0.5,  # of other losses
    "train.teacher_weight": 0.0,
    "train.teacher_temperature": 1.0,
    "train.scenario_weights": "rows",
    "train.evaluations_per_pass": 4,  # of patience, which is told
    "train.embedding_l2": 0.0,
    "features.minimum_frequency": 1,  # of the rows
    "features.groups": "all",
    "features.pooling": None,
    "features.number_encoding": "standardised",
    "model.protocol": "mdmt",
    "model.cross.rank": 32,  # the defaults of full crosses, which have none
    "model.cross.num_experts": 4,
    "model.tower.widths": (),
}
IS_SO_OF = {  # said in another form, see below
    "of_tasks/bottom": {
        "model.trunk.widths": (7, 5),
        "model.tower.widths": (3,),
        "model.dropout": 0.1,
    },
    "of_scenarios/bottom": {
        "model.trunk.widths": (128, 64),
        "model.tower.widths": (16,),
        "model.dropout": 0.2,
    },
    "of_scenarios/mmoe": {"train.scenario_weights": "equal"},
    "of_one_task/stacked": {"model.structure": "stacked", "model.widths": (6, 5)},
    "of_tasks/ple": {"model.slots": "scenario_task"},
    "of_tasks/deep_ple": {"model.slots": "scenario_task"},
    "of_scenarios/ple": {"model.slots": "scenario_task"},
}


def test_shared_bottom_is_dbmtl_without_experts(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    written = exported("of_tasks/bottom", tmp_path / "easyrec", request)
    model = pipeline(written.folder)["model_config"]["dbmtl"]
    assert model.keys() == {"bottom_mlp", "task_towers"}
    assert model["bottom_mlp"]["hidden_units"] == [7, 5]
    assert model["bottom_mlp"]["dropout_ratio"] == 0.1
    for tower in model["task_towers"]:
        assert tower["mlp"]["hidden_units"] == 3
        assert "dropout_ratio" not in tower["mlp"]


def test_stacked_layers_are_those_after_the_crosses(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    written = exported("of_one_task/stacked", tmp_path / "easyrec", request)
    model = pipeline(written.folder)["model_config"]["dcn_v2"]
    assert model.keys() == {"cross", "final"}
    assert model["final"]["hidden_units"] == [6, 5]


def test_scenarios_have_towers_of_their_own_that_count_their_rows_alone(
    tmp_path: Path, of_scenarios: Shop
) -> None:
    written = export_for(
        "torcheasyrec",
        of_scenarios.study,
        tmp_path / "easyrec",
        arm="bottom",
        output=of_scenarios.out,
    )
    towers = pipeline(written.folder)["model_config"]["dbmtl"]["task_towers"]
    rows = pl.read_parquet(written.folder / "shop" / "train.parquet")
    assert [tower["tower_name"] for tower in towers] == [
        f"{task}_in_{place}" for place in ("Home", "Push", "Cart") for task in ("click", "order")
    ]
    for number, tower in enumerate(towers):
        indicator = tower["task_space_indicator_label"]
        is_in = rows[indicator] == 1
        assert rows.filter(is_in)["place"].unique().to_list() == [number // 2]
        assert tower["weight"] == pytest.approx(is_in.mean(), abs=1e-6)
        assert tower["in_task_space_weight"] == 1
        assert tower["out_task_space_weight"] == 0
        assert indicator in pipeline(written.folder)["data_config"]["label_fields"]


def test_scenarios_that_count_alike_have_equal_weights(tmp_path: Path, of_scenarios: Shop) -> None:
    written = export_for(
        "torcheasyrec",
        of_scenarios.study,
        tmp_path / "easyrec",
        arm="mmoe",
        output=of_scenarios.out,
    )
    towers = pipeline(written.folder)["model_config"]["mmoe"]["task_towers"]
    assert {tower["weight"] for tower in towers} == {1 / 3}


def test_rows_have_ids_below_the_buckets_of_their_feature_and_no_empty_slots(
    tmp_path: Path, of_tasks: Shop
) -> None:
    written = export_for(
        "torcheasyrec", of_tasks.study, tmp_path / "easyrec", arm="ple", output=of_tasks.out
    )
    features = [
        each["id_feature"]
        for each in pipeline(written.folder)["feature_configs"]
        if "id_feature" in each
    ]
    rows = pl.concat(
        pl.read_parquet(written.folder / "shop" / f"{split}.parquet") for split in ("train", "test")
    )
    buckets = {each["feature_name"]: each["num_buckets"] for each in features}
    assert buckets["item"] == buckets["seen"]
    tables = {each["feature_name"]: each.get("embedding_name") for each in features}
    assert tables["item"] == tables["seen"] == "item"
    for name, size in buckets.items():
        ids = rows[name].explode().drop_nulls()
        assert 0 <= ids.min() <= ids.max() < size
    assert rows["tags"].explode().drop_nulls().min() > 0
    assert rows["tags"].list.len().min() == 0


def test_a_path_is_written_letter_by_letter(tmp_path: Path, of_tasks: Shop) -> None:
    of_tasks.export("mmoe", tmp_path / "model")
    for name in ("größe", 'a "quoted" \\ one', "🙂"):
        written = export_for("torcheasyrec", tmp_path / "model", tmp_path / name)
        assert pipeline(written.folder)["train_input_path"] == str(
            tmp_path / name / "shop" / "train.parquet"
        )
        of_fuxictr = export_for("fuxictr", tmp_path / "model", tmp_path / f"fuxi {name}")
        ((_, data),) = yaml.safe_load(
            (of_fuxictr.folder / "dataset_config.yaml").read_text()
        ).items()
        assert data["data_root"] == f"{tmp_path}/fuxi {name}/"


def test_pepnet_has_a_group_of_the_scenario_and_one_of_ids(
    tmp_path: Path, of_scenarios: Shop
) -> None:
    written = export_for(
        "torcheasyrec",
        of_scenarios.study,
        tmp_path / "easyrec",
        arm="pepnet",
        output=of_scenarios.out,
    )
    groups = pipeline(written.folder)["model_config"]["feature_groups"]
    names = {group["group_name"]: group["feature_names"] for group in groups}
    assert names["domain"] == "place"
    assert names["uia"] == ["user", "item", "type_", "the_colour"]
    assert set(names["all"]) > set(names["uia"]) | {"tags", "price"}
    assert "place" not in names["all"]
