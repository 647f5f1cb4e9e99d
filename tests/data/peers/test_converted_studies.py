"""What another library's configuration says is written as a definition, a study and links to rows."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hinet_search.common.errors import ConfigurationError
from hinet_search.data.peers.convert import ConvertedConfiguration, convert
from hinet_search.data.peers.fuxictr import read_fuxictr
from hinet_search.data.peers.fuxictr_rules import MODELS
from hinet_search.data.peers.torcheasyrec import read_torcheasyrec
from hinet_search.data.prepare import prepare
from hinet_search.study.load_study import load_study
from hinet_search.training.trial_config import build_config
from tests.data.peers.peer_files import (
    BOTTOM,
    DATASET,
    DCN,
    EXPERIMENTS,
    MMOE,
    PEPNET,
    PIPELINE,
    PLE,
    fuxictr_folder,
    pipeline_file,
)

STUDY = Path("studies", "shop.yaml")
DEFINITION = Path("data", "shop.yaml")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path


def of_fuxictr(
    folder: Path,
    dataset: str = DATASET,
    experiments: str = EXPERIMENTS,
    scenario: str | None = None,
) -> ConvertedConfiguration:
    found = read_fuxictr(fuxictr_folder(folder, dataset, experiments))
    return convert(found, None, scenario, force=False)


def test_the_arm_of_their_model_has_one_configuration_which_is_theirs(folder: Path) -> None:
    of_fuxictr(folder)
    yours = load_study(str(STUDY)).arms[0]
    assert (yours.name, yours.model, yours.space.size(10)) == ("yours", "mmoe", 1)
    values = yours.space.values(yours.space.default())
    assert values["model.expert.widths"] == (16, 8)
    assert values["train.learning_rate"] == 0.002
    assert values["train.embedding_learning_rate_multiplier"] == 1.0


AS_BOTH = {
    "train.rate_decay": False,
    "train.evaluations_per_pass": 1,
    "features.unit_scale": False,
    "features.minimum_frequency": 1,
}
UNSAID: dict[str, dict[str, Any]] = {
    "fuxictr": {"train.patience": 2, "train.clip_norm": 10.0},
    "torcheasyrec": {"train.patience": 0, "train.clip_norm": 0.0},
}


@pytest.mark.parametrize("library", UNSAID)
def test_what_they_do_not_say_is_trained_as_their_library_does(folder: Path, library: str) -> None:
    if library == "fuxictr":
        dataset = DATASET.replace("min_categr_count: 2", "")
        of_fuxictr(folder, dataset, experiments="one: {model: MMoE}\n")
    else:
        convert(read_torcheasyrec(pipeline_file(folder)), None, None, force=False)
    yours = load_study(str(STUDY)).arms[0]
    values = yours.space.values(yours.space.default())
    expected = {**AS_BOTH, **UNSAID[library]}
    assert {name: values[name] for name in expected} == expected
    assert "      train.rate_decay: false   # is not said there\n" in STUDY.read_text()


def test_hashed_fields_are_so_in_the_definition(folder: Path) -> None:
    text = PIPELINE.replace('"item:item"] emb', '"item:item"] hash_bucket_size: 500 emb')
    found = read_torcheasyrec(pipeline_file(folder, text=text))
    convert(found, None, None, force=False)
    features = load_study(str(STUDY)).spec.data.features
    assert features.hashed == {"item": 9, "user x item": 500}
    convert(replace(found, scenario="item"), None, None, force=True)
    assert load_study(str(STUDY)).spec.data.features.hashed == {}


def test_the_study_has_passes_and_seed_of_theirs(folder: Path) -> None:
    of_fuxictr(folder)
    study = load_study(str(STUDY), "full")
    assert (study.spec.passes, study.spec.seed) == (3, 7)
    assert study.arms[1].space.default()["train.batch_size"] == 32


def test_what_is_not_carried_over_stands_in_the_study(folder: Path) -> None:
    converted = of_fuxictr(folder)
    text = STUDY.read_text()
    assert converted.unread
    for unread in converted.unread:
        assert f"#   {unread.in_words}\n" in text


FUXICTR_MODELS = {
    "ShareBottom": "bottom_hidden_units: [16], tower_hidden_units: []",
    "MMoE": "num_experts: 2, expert_hidden_units: [16]",
    "PLE": "num_layers: 2, num_shared_experts: 2, num_specific_experts: 1",
    "DCNv2": "model_structure: stacked, use_low_rank_mixture: True, low_rank: 4, num_experts: 2",
    "FinalMLP": "mlp1_hidden_units: [16], mlp2_hidden_units: [8], use_fs: False, num_heads: 2",
    "PPNet": "hidden_units: [16], gate_hidden_dim: 8",
}


@pytest.mark.parametrize(("model", "keys"), FUXICTR_MODELS.items())
def test_every_model_of_fuxictr_gets_a_configuration_that_can_be_built(
    folder: Path, model: str, keys: str
) -> None:
    of_fuxictr(folder, experiments=f"one: {{model: {model}, {keys}, net_dropout: 0.3}}\n")
    yours = load_study(str(STUDY)).arms[0]
    assert yours.space.size(10) == 1
    config = build_config(yours.model, yours.space.values(yours.space.default()))
    assert config.model_name == MODELS[model].model


@pytest.mark.parametrize("model", [MMOE, PLE, DCN, PEPNET, BOTTOM])
def test_every_model_of_torcheasyrec_gets_a_configuration_that_can_be_built(
    folder: Path, model: str
) -> None:
    convert(read_torcheasyrec(pipeline_file(folder, model)), None, None, force=False)
    yours = load_study(str(STUDY)).arms[0]
    assert yours.space.size(10) == 1
    config = build_config(yours.model, yours.space.values(yours.space.default()))
    assert config.train.embedding_optimiser == "rowwise_adagrad"


def test_rows_of_the_three_files_are_a_table_with_one_scenario(folder: Path) -> None:
    assert of_fuxictr(folder).num_files == 3
    study = load_study(str(STUDY))
    record = prepare(study.spec.data, study.folder, folder / "cache", lambda _: None).record
    assert record.scenarios == ("all",)
    assert record.tasks == ("click", "order")
    links = Path("data", "shop", "one_scenario=all")
    assert sorted(path.readlink().name for path in links.rglob("*.csv")) == [
        "test.csv",
        "train.csv",
        "valid.csv",
    ]


def test_a_scenario_that_is_named_is_no_feature(folder: Path) -> None:
    converted = of_fuxictr(folder, scenario="channel")
    data = load_study(str(STUDY)).spec.data
    assert data.scenario.column == "channel"
    assert data.features.categorical == ("user", "item")
    assert converted.unread[-1].key == "feature channel"
    assert not list(Path("data").rglob("one_scenario=*"))


def test_a_cross_and_a_list_of_the_scenario_are_named(folder: Path) -> None:
    found = read_torcheasyrec(pipeline_file(folder))
    keys = [unread.key for unread in convert(found, None, "item", force=False).unread]
    assert keys[-3:] == ["feature item", "feature seen__item", "cross of user and item"]
    features = load_study(str(STUDY)).spec.data.features
    assert features.crosses == ()
    assert features.lists["seen__item"].item is None


def test_rows_of_evaluation_are_valid_and_test_and_that_is_to_be_checked(folder: Path) -> None:
    converted = convert(read_torcheasyrec(pipeline_file(folder)), None, None, force=False)
    linked = {path.parent.name: path.resolve().name for path in Path("data").rglob("*.csv")}
    assert linked == {
        "split_of_rows=train": "train.csv",
        "split_of_rows=valid": "valid.csv",
        "split_of_rows=test": "valid.csv",
    }
    (doubt,) = converted.draft.guesses_to_check
    assert "there are no rows of test: they are those of valid" in doubt


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("data_format: csv", "data_format: npz", "data_format must be csv or parquet"),
        ("data_format: csv", 'data_format: csv\n  sep: "\\t"', "sep must be a comma"),
        ("rows/train.csv", "rows/none.csv", "no table at ../rows/none.csv"),
        ("../rows/train.csv", "/**/*.csv", "no table at /**/*.csv"),
        ("../rows/train.csv", "s3://ann:secret@bucket/rows.csv", "no table at s3://ann:***@bucket"),
        ("  valid_data: ../rows/valid.csv\n", "", "there are no rows of valid"),
    ],
)
def test_rows_that_cannot_be_linked_are_to_be_put_into_a_folder(
    folder: Path, before: str, after: str, problem: str
) -> None:
    converted = of_fuxictr(folder, DATASET.replace(before, after))
    assert converted.num_files == 0
    (doubt,) = converted.draft.guesses_to_check
    assert problem in doubt
    remedy = "put tables into data/shop/one_scenario=all/split_of_rows=train"
    assert remedy in doubt
    assert not Path("data", "shop").exists()


def test_a_csv_without_a_header_is_not_linked(folder: Path) -> None:
    text = PIPELINE.replace("with_header: true", "")
    converted = convert(
        read_torcheasyrec(pipeline_file(folder, text=text)), None, None, force=False
    )
    assert "a CSV table must have a header" in converted.draft.guesses_to_check[0]


def test_a_folder_of_rows_is_linked_file_by_file(folder: Path) -> None:
    dataset = DATASET.replace("../rows/train.csv", "../rows/days")
    config = fuxictr_folder(folder, dataset)
    (folder / "rows" / "days").mkdir()
    (folder / "rows" / "train.csv").rename(folder / "rows" / "days" / "_b.csv")
    (folder / "rows" / "days" / "a.csv").write_bytes((folder / "rows" / "test.csv").read_bytes())
    assert convert(read_fuxictr(config), None, None, force=False).num_files == 3


def test_files_that_are_there_are_replaced_only_by_force(folder: Path) -> None:
    of_fuxictr(folder)
    found = read_fuxictr(folder / "trainer" / "config")
    with pytest.raises(ConfigurationError, match=r"data/shop\.yaml is there already"):
        convert(found, None, None, force=False)
    DEFINITION.unlink()
    STUDY.unlink()
    with pytest.raises(ConfigurationError, match="data/shop is there already"):
        convert(found, None, None, force=False)
    assert convert(found, None, "channel", force=True).num_files == 3
    assert len(list(Path("data").rglob("*.csv"))) == 3


def test_a_file_of_the_user_is_never_replaced(folder: Path) -> None:
    found = read_fuxictr(fuxictr_folder(folder))
    own = Path("data", "shop", "split_of_rows=train", "mine.csv")
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    with pytest.raises(
        ConfigurationError, match=r"must be a folder of links to be replaced, got .*mine"
    ):
        convert(found, None, None, force=True)
    assert own.read_text() == "mine"


def test_a_link_to_a_folder_is_not_followed(folder: Path) -> None:
    found = read_fuxictr(fuxictr_folder(folder))
    Path("data").mkdir()
    Path("data", "shop").symlink_to(folder / "rows")
    with pytest.raises(ConfigurationError, match="must be a folder of links to be replaced"):
        convert(found, None, None, force=True)
    assert (folder / "rows" / "train.csv").exists()


def test_names_with_signs_of_yaml_are_written_as_texts(folder: Path) -> None:
    name = "price\n#: {x}"
    found = read_fuxictr(fuxictr_folder(folder))
    inputs = [replace(of, column=name) if of.column == "price" else of for of in found.inputs]
    odd = replace(found, inputs=tuple(inputs), tasks={"yes\n": "click"}, user="on: [")
    convert(odd, None, None, force=False)
    data = load_study(str(STUDY)).spec.data
    assert data.features.numeric == (name,)
    assert data.user == "on: ["
    assert list(data.tasks) == ["yes\n"]


@pytest.mark.parametrize("key", ["x\n  evil: 1", "x # check: y", "x\u2028evil: 1", "{0}"])
def test_a_key_cannot_write_a_line_of_the_study(folder: Path, key: str) -> None:
    escaped = key.encode("unicode_escape").decode()
    of_fuxictr(folder, experiments=f'{EXPERIMENTS}  "{escaped}": {{seed: 5}}\n')
    assert load_study(str(STUDY)).spec.seed == 7
    assert "evil" not in [line.strip()[:4] for line in STUDY.read_text().splitlines()]


def test_a_label_that_is_an_input_is_refused_before_anything_is_written(folder: Path) -> None:
    with pytest.raises(
        ConfigurationError, match="a label must not be an input or the scenario, got click"
    ):
        of_fuxictr(folder, DATASET.replace("name: channel", "name: click"))
    assert not Path("data").exists()


def test_a_configuration_without_inputs_is_refused_with_the_reasons(folder: Path) -> None:
    dataset = DATASET.replace("type: ", "type: other_")
    with pytest.raises(
        ConfigurationError, match="must have an input that is a column, got none"
    ) as caught:
        of_fuxictr(folder, dataset)
    assert "feature user: type other_categorical is no input here" in str(caught.value)


def test_a_study_of_too_many_comments_is_refused(folder: Path) -> None:
    keys = "".join(f"  {'k' * 40}_{number}: 1\n" for number in range(12_000))
    with pytest.raises(ConfigurationError, match="a study must be at most 1,000,000 bytes, got"):
        of_fuxictr(folder, experiments=EXPERIMENTS + keys)
    assert not STUDY.exists()


def test_settings_of_a_model_that_is_not_here_are_named_or_are_those_of_the_study(
    folder: Path,
) -> None:
    experiments = EXPERIMENTS.replace("model: MMoE", "model: DeepFM")
    converted = of_fuxictr(folder, experiments=experiments)
    words = [unread.in_words for unread in converted.unread]
    assert "learning_rate: would be train.learning_rate: 0.002 of an arm of yours" in words
    assert "min_categr_count: would be features.minimum_frequency: 2 of an arm of yours" in words
    study = load_study(str(STUDY), "full")
    assert "yours" not in study.spec.arms
    assert study.spec.passes == 3
    assert study.spec.parameters["model.embedding_dim"].default == 4
