"""A study file is checked whole, with its own lines, before anything is created."""

from pathlib import Path

import pytest

from hinet_search.common.errors import ConfigurationError
from hinet_search.common.plugins import names
from hinet_search.study.load_study import MODELS, load_study
from hinet_search.study.study_spec import ArmSpec, FinalistSpec, PrunerSpec, SamplerSpec
from tests.study.written import DATA, SMALL, load, refusal


def test_a_study_with_data_and_arms_alone_is_complete() -> None:
    study = load(SMALL)
    assert study.name == "s"
    assert [(arm.name, arm.model, arm.space.name) for arm in study.arms] == [
        ("mmoe", "mmoe", "mmoe"),
        ("shared_bottom", "shared_bottom", "shared_bottom"),
    ]
    spec = study.spec
    assert (spec.trials, spec.epochs, spec.seed, spec.objective) == (20, 4.0, 0, "mean_auc")
    assert (spec.sampler, spec.pruner, spec.finalists) == (
        SamplerSpec(),
        PrunerSpec(kind="none"),
        FinalistSpec(),
    )


def test_a_name_in_the_file_comes_before_the_name_of_the_file() -> None:
    assert load(SMALL + "name: other\n").name == "other"


def test_relative_paths_start_where_the_study_file_is(folder: Path) -> None:
    Path("inside").mkdir()
    Path("inside/s.yaml").write_text(SMALL)
    assert load_study("inside/s.yaml").folder == folder.resolve() / "inside"


@pytest.mark.parametrize("written", ["random", "{kind: random}"])
def test_a_sampler_may_be_one_word(written: str) -> None:
    assert load(SMALL + f"sampler: {written}\n").spec.sampler == SamplerSpec(kind="random")


def test_a_pruner_of_which_only_settings_are_given_is_the_median_rule() -> None:
    spec = load(SMALL + "pruner: {after_epochs: 2}\n").spec
    assert (spec.pruner.kind, spec.pruner.after_epochs) == ("median", 2)


def test_an_arm_may_have_another_name_than_its_model_and_space() -> None:
    study = load(
        DATA + "arms:\n  small: {model: mmoe, space: training, fixed: {model.num_experts: 2}}\n"
    )
    (arm,) = study.arms
    assert (arm.name, arm.model, arm.space.name, arm.place) == (
        "small",
        "mmoe",
        "training",
        "s.yaml:8:3",
    )
    assert arm.space.fixed["model.num_experts"] == 2
    assert study.spec.arms == {
        "small": ArmSpec(model="mmoe", space="training", fixed={"model.num_experts": 2})
    }


@pytest.mark.parametrize("name", names(MODELS))
def test_every_model_can_be_an_arm_by_its_name_alone(name: str) -> None:
    (arm,) = load(DATA + f"arms: {{{name}: }}\n").arms
    assert (arm.model, arm.space.name) == (name, name)


def test_a_space_beside_the_study_comes_before_the_shipped_one() -> None:
    study = load(DATA + "arms: {mmoe: }\n", mmoe="fixed: {model.num_experts: 2}\n")
    assert study.arms[0].space.parameters == {}


def test_all_arms_have_the_epochs_of_the_study() -> None:
    study = load(SMALL + "epochs: 2.5\n")
    assert [arm.space.fixed["train.epochs"] for arm in study.arms] == [2.5, 2.5]


def test_a_setting_fixed_in_the_study_is_searched_in_no_arm_that_has_it() -> None:
    study = load(SMALL + "fixed:\n  train.batch_size: 512\n  model.num_experts: 2\n")
    for arm in study.arms:
        assert "train.batch_size" not in arm.space.parameters
        assert arm.space.fixed["train.batch_size"] == 512
        assert arm.space.places["train.batch_size"] == "s.yaml:9:3"
    mmoe, shared_bottom = study.arms
    assert mmoe.space.fixed["model.num_experts"] == 2
    assert "model.num_experts" not in shared_bottom.space.fixed


def test_a_setting_of_one_arm_stands_over_the_study_and_is_of_no_other() -> None:
    arms = "arms: {mmoe: {fixed: {train.batch_size: 64}}, shared_bottom: }\n"
    mmoe, shared_bottom = load(DATA + arms).arms
    assert mmoe.space.fixed["train.batch_size"] == 64
    assert "train.batch_size" in shared_bottom.space.parameters
    mmoe, shared_bottom = load(DATA + arms + "fixed: {train.batch_size: 512}\n").arms
    assert mmoe.space.fixed["train.batch_size"] == 64
    assert shared_bottom.space.fixed["train.batch_size"] == 512


def test_a_definition_in_a_file_of_its_own_is_read_from_beside_the_study() -> None:
    rows = DATA.replace("data:\n", "").replace("\n  ", "\n").removeprefix("  ")
    study = load("data: rows.yaml\narms: {mmoe: }\n", rows=rows)
    assert study.spec.data == load(SMALL).spec.data


def test_a_definition_in_a_file_of_its_own_has_its_own_lines_in_errors() -> None:
    rows = (
        DATA.replace("data:\n", "")
        .replace("\n  ", "\n")
        .removeprefix("  ")
        .replace("split", "splti")
    )
    assert set(refusal("data: rows.yaml\narms: {mmoe: }\n", rows=rows)) == {
        "rows.yaml:5:1: unknown key 'splti'; did you mean 'split'?",
        "rows.yaml:1: key 'split' is needed and missing",
    }


def test_a_problem_of_no_key_has_no_place() -> None:
    assert load(SMALL).placed("cell a/b: must have") == "cell a/b: must have"


REFUSED = {
    "no data": ("arms: {mmoe: }\n", ["s.yaml:1: key 'data' is needed and missing"]),
    "neither data nor arms": (
        "trials: 3\n",
        [
            "s.yaml:1: key 'data' is needed and missing",
            "s.yaml:1: key 'arms' is needed and missing",
        ],
    ),
    "no arms": (DATA, ["s.yaml:1: key 'arms' is needed and missing"]),
    "an empty set of arms": (
        DATA + "arms: {}\n",
        ["s.yaml:7:1: arms: must have at least one value, got an empty mapping"],
    ),
    "a list of arms": (
        DATA + "arms: [mmoe]\n",
        ["s.yaml:7:1: arms: must be a mapping of keys, got a list"],
    ),
    "a definition that is not there": (
        "arms: {mmoe: }\ndata: rows.yaml\n",
        ["s.yaml:2:1: there is no data definition rows.yaml"],
    ),
    "an unknown key": (
        SMALL + "wrong: 3\nepohcs: 3\npasses: 3\n",
        [
            "s.yaml:8:1: unknown key 'wrong'",
            "s.yaml:9:1: unknown key 'epohcs'; did you mean 'epochs'?",
            "s.yaml:10:1: unknown key 'passes'; 'passes' is gone since 1.0: use epochs",
        ],
    ),
    "an unknown key of an arm": (
        DATA + "arms:\n  mmoe:\n    modle: mmoe\n",
        ["s.yaml:9:5: unknown key 'modle' in 'arms.mmoe'; did you mean 'model'?"],
    ),
    "an unknown key of the data": (
        SMALL.replace("scenario:", "scenaro:"),
        [
            "s.yaml:3:3: unknown key 'scenaro' in 'data'; did you mean 'scenario'?",
            "s.yaml:1:1: key 'data.scenario' is needed and missing",
        ],
    ),
    "no trial": (
        SMALL + "trials: 0\n",
        ["s.yaml:8:1: trials: must be greater than or equal to 1, got 0"],
    ),
    "a reference that is no arm": (
        SMALL + "reference: mmeo\n",
        [
            "s.yaml:8:1: reference must be one of mmoe, shared_bottom, got 'mmeo'; did you mean 'mmoe'?"
        ],
    ),
    "an unknown model": (
        DATA + "arms:\n  mmoe:\n  mmeo:\n",
        [
            f"s.yaml:9:3: 'mmeo' is not a model, known: {', '.join(names(MODELS))}; did you mean 'mmoe'?"
        ],
    ),
    "epochs as a setting of one arm": (
        DATA + "arms:\n  mmoe:\n    fixed:\n      train.epochs: 9\n",
        ["s.yaml:10:7: train.epochs must be the same for every arm; use the study's key 'epochs'"],
    ),
    "epochs as a setting of the study": (
        SMALL + "fixed: {train.epochs: 9}\n",
        ["s.yaml:8:9: train.epochs must be the same for every arm; use the study's key 'epochs'"],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_study_that_cannot_be_meant_is_refused_with_places_and_remedies(case: str) -> None:
    text, messages = REFUSED[case]
    assert sorted(refusal(text)) == sorted(messages)


@pytest.mark.parametrize(
    ("name", "must"),
    [
        ("train.epochs", "be the same for every arm; use the study's key 'epochs'"),
        (
            "train.evaluations_per_epoch",
            "be fixed, as pruning compares trials evaluation by evaluation",
        ),
    ],
)
def test_what_no_space_may_search_is_refused_with_the_place_in_the_space(
    name: str, must: str
) -> None:
    space = f"parameters:\n  {name}: {{kind: int, low: 1, high: 9, default: 4}}\n"
    assert refusal(DATA + "arms: {mmoe: {space: x}}\n", x=space) == (
        f"x.yaml:2:3: {name} must {must}",
    )


def test_the_default_reference_need_not_be_an_arm() -> None:
    assert load(SMALL).spec.reference == "single"


def test_a_hostile_name_in_a_file_is_refused_with_its_line() -> None:
    (message,) = refusal(SMALL + "name: ../../etc\n")
    assert message.startswith("s.yaml:8:1: a study's name must be")


def test_a_file_whose_own_name_is_no_study_name_is_refused() -> None:
    Path("a b.yaml").write_text(SMALL)
    with pytest.raises(
        ConfigurationError, match=r"a b\.yaml:1: a study's name must be .* got 'a b'"
    ):
        load_study("a b.yaml")


def test_a_hostile_name_of_an_arm_is_refused_with_its_line() -> None:
    (message,) = refusal(DATA + "arms:\n  a/b: {model: mmoe}\n")
    assert message.startswith("s.yaml:8:3: an arm's name must be")
    assert message.endswith("got 'a/b'")


def test_problems_of_the_study_its_arms_and_their_spaces_are_reported_at_once() -> None:
    text = DATA + "arms:\n  pel:\n  mmoe: {space: x}\ntrails: 3\n"
    space = "parameters:\n  model.dropout: {kind: float, low: 0.5, high: 0.1, default: 0.2}\n"
    assert [line.split(": ")[0] for line in refusal(text, x=space)] == [
        "s.yaml:10:1",
        "s.yaml:8:3",
        "x.yaml:2:3",
    ]


@pytest.mark.parametrize(
    ("default", "most"), [(True, {1: 1, 2: 2, 3: 3, 20: 3}), (False, {1: 1, 2: 2, 3: 2, 20: 2})]
)
def test_finalists_are_the_best_trials_and_the_default_if_it_is_wanted(
    default: bool, most: dict[int, int]
) -> None:
    finalists = FinalistSpec(top=2, default=default)
    assert {trials: finalists.most(trials) for trials in most} == most
