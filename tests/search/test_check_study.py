"""A value that a study fixes reaches every arm whose model has it, and each problem is reported at the line of its value."""

from pathlib import Path

import pytest

from hinet_search.common.errors import ConfigurationError
from hinet_search.search.plan.check_study import try_study
from hinet_search.study.load_study import (
    NUMBER_ENCODING,
    SEQUENCE_READER,
    ResolvedStudy,
    load_study,
)
from hinet_search.training.trial_config import build_config
from tests.small import STUDY

HEAD = STUDY.split("arms:")[0]
LINE = HEAD.count("\n") + 1
NO_NETWORK = "has no meaning for trees, which is no network; leave it out"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tried(text: str) -> ResolvedStudy:
    Path("s.yaml").write_text(HEAD + text, encoding="utf-8")
    return try_study(load_study("s.yaml"))


def refusal(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        tried(text)
    return caught.value.problems


def test_a_setting_that_the_study_fixes_holds_in_each_arm_whose_model_has_it() -> None:
    Path("bare.yaml").write_text("parameters: {}\n")
    hinet, mmoe = tried(
        "arms: {hinet: {space: bare}, mmoe: }\nfixed: {model.released_code: true}\n"
    ).arms
    assert hinet.space.fixed["model.released_code"] is True
    assert hinet.space.places["model.released_code"] == f"s.yaml:{LINE + 1}:9"
    assert "model.released_code" not in mmoe.space.fixed


def test_an_arm_overrides_a_setting_that_the_study_fixes() -> None:
    Path("bare.yaml").write_text("parameters: {}\n")
    arm = "{space: bare, fixed: {model.released_code: false}}"
    (hinet,) = tried(f"arms: {{hinet: {arm}}}\nfixed: {{model.released_code: true}}\n").arms
    assert hinet.space.fixed["model.released_code"] is False


def test_a_setting_that_no_arms_model_has_is_refused() -> None:
    assert refusal(
        "arms: {shared_bottom: , mmoe: }\nfixed:\n  model.num_expert: 2\n  model.released_code: true\n"
    ) == (
        f"s.yaml:{LINE + 2}:3: 'model.num_expert' is a setting of no arm's model; did you mean 'model.num_experts'?",
        f"s.yaml:{LINE + 3}:3: 'model.released_code' is a setting of no arm's model",
    )


def test_trees_are_not_searched_over_what_only_networks_are_trained_by() -> None:
    rate = "parameters:\n  train.patience: {kind: int, low: 1, high: 3, default: 2}\n"
    rate += "  train.learning_rate: {kind: float, low: 0.01, high: 0.1, default: 0.05}\n"
    Path("rate.yaml").write_text(rate)
    said = refusal("arms: {trees: {space: rate}}\nreference: trees\n")
    assert said == (
        f"rate.yaml:3:3: train.learning_rate {NO_NETWORK}; did you mean 'model.learning_rate'?",
    )


def test_nor_are_they_held_at_it_by_an_arm_or_its_space() -> None:
    Path("held.yaml").write_text(
        "include: [trees]\nfixed:\n  train.clip_norm: 1.0\n  train.patience: 0\n"
    )
    said = refusal(
        "arms:\n  trees:\n    space: held\n    fixed:\n      train.batch_size: 64\nreference: trees\n"
    )
    assert said == (
        f"held.yaml:3:3: train.clip_norm {NO_NETWORK}",
        f"s.yaml:{LINE + 4}:7: train.batch_size {NO_NETWORK}",
    )


def test_what_a_study_fixes_for_all_arms_need_not_concern_trees() -> None:
    _, trees = tried(
        "arms: {mmoe: , trees: }\nreference: trees\nfixed: {train.batch_size: 64}\n"
    ).arms
    assert trees.space.fixed["train.batch_size"] == 64


def test_pooling_needs_a_list_that_is_pooled() -> None:
    said = refusal("arms: {mmoe: }\nreference: mmoe\nfixed: {features.pooling: mean}\n")
    assert said == (
        f"s.yaml:{LINE + 2}:9: features.pooling needs a list of items in the data that is pooled, got none",
    )


def test_a_reader_needs_a_sequence() -> None:
    said = refusal("arms: {mmoe: }\nreference: mmoe\nfixed: {features.sequence_reader: bst}\n")
    wanted = "features.sequence_reader needs a sequence in the data (features.sequences), got none"
    assert said == (f"s.yaml:{LINE + 2}:9: {wanted}",)


def test_an_encoding_of_numbers_needs_a_number() -> None:
    key = "features.number_encoding"
    arms = f"arms: {{mmoe: , trees: }}\nreference: mmoe\nfixed: {{{key}: bins}}\n"
    mmoe, trees = tried(arms).arms
    assert mmoe.space.fixed[key] == trees.space.fixed[key] == "bins"
    said = refusal(f"{arms}variants:\n bare: {{data.features.numeric: []}}\n")
    wanted = f"s.yaml:{LINE + 2}:9: {key} needs a number among the inputs "
    wanted += "(features.numeric, statistics, matches, events or session), got none"
    assert set(said) == {wanted}


def test_shipped_spaces_search_the_encoding_only_where_the_data_have_numbers() -> None:
    arms = "arms: {mmoe: }\nreference: mmoe\n"
    (with_numbers,) = tried(arms).arms
    assert with_numbers.space.default()[NUMBER_ENCODING] == "standardised"
    (bare,) = tried(f"{arms}variants:\n bare: {{data.features.numeric: []}}\n").arms
    assert NUMBER_ENCODING not in bare.space.parameters


def test_shipped_spaces_search_the_reader_only_where_the_data_have_sequences() -> None:
    arms = "arms: {mmoe: }\nreference: mmoe\n"
    (without,) = tried(arms).arms
    assert SEQUENCE_READER not in without.space.parameters
    head = f"{arms}variants:\n seen:\n  data.time_unit: s\n  data.features.sequences:\n"
    seen = "   seen: {of: user_id, items: [item_id], reader: mean}\n"
    (searched,) = tried(head + seen).arms
    assert searched.space.default()[SEQUENCE_READER] == "mean"
    (unlike,) = tried(head + seen + "   shown: {of: item_id, items: [user_id]}\n").arms
    assert SEQUENCE_READER not in unlike.space.parameters


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "arms: {mmoe: }\nreference: mmoe\nfixed: {features.groups: 3}\n",
            f"s.yaml:{LINE + 2}:9: features.groups: must be a text, got 3",
        ),
        (
            "arms: {shared_bottom: , mmoe: }\nfixed:\n  train.batch_size: 10.5\n",
            f"s.yaml:{LINE + 2}:3: train.batch_size: must be an integer, got 10.5",
        ),
        (
            "arms:\n  mmoe:\n    fixed:\n      model.num_experts: 0\n",
            f"s.yaml:{LINE + 3}:7: model.num_experts: must be greater than or equal to 1, got 0",
        ),
        (
            "arms: {mmoe: {space: odd}}\n",
            "odd.yaml:2:3: model.expert.widths.1: must be greater than or equal to 1, got 0",
        ),
    ],
    ids=["groups of the study", "of the study", "of an arm", "of a space"],
)
def test_a_wrong_value_that_is_fixed_is_reported_once_at_its_line(text: str, problem: str) -> None:
    Path("odd.yaml").write_text("fixed:\n  model.expert.widths: [64, 0]\n")
    assert refusal(text) == (problem,)


def test_unknown_names_and_wrong_values_of_all_arms_are_reported_together() -> None:
    text = "arms:\n  mmoe: {fixed: {model.num_experts: 0, train.sede: 1}}\n  shared_bottom: {fixed: {train.batchsize: 4}}\n"
    assert refusal(text + "fixed:\n  model.dropuot: 0.1\n  train.learning_rate: fast\n") == (
        f"s.yaml:{LINE + 4}:3: 'model.dropuot' is a setting of no arm's model; did you mean 'model.dropout'?",
        f"s.yaml:{LINE + 1}:40: 'train.sede' is no setting of mmoe",
        f"s.yaml:{LINE + 1}:18: model.num_experts: must be greater than or equal to 1, got 0",
        f"s.yaml:{LINE + 5}:3: train.learning_rate: must be a number, got 'fast'",
        f"s.yaml:{LINE + 2}:27: 'train.batchsize' is no setting of shared_bottom; did you mean 'train.batch_size'?",
    )


def test_a_configuration_built_without_a_file_names_the_setting() -> None:
    with pytest.raises(ConfigurationError) as caught:
        build_config("mmoe", {"train.batch_size": 0})
    assert caught.value.problems == (
        "configuration: train.batch_size: must be greater than or equal to 1, got 0",
    )
