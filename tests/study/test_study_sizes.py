"""Sizes of a study, and arms that are to be as large as another, are checked and resolved with the study file."""

from pathlib import Path

import pytest

from hinet_search.common.errors import ConfigurationError
from hinet_search.search.plan.check_study import try_study
from hinet_search.search.plan.forecast import forecast
from hinet_search.study.load_study import EPOCHS, ResolvedStudy, load_study
from hinet_search.study.study_spec import FinalistSpec, InputsSpec, TeachingSpec
from hinet_search.study.yaml_file import Override

DATA = """\
data:
  source: {kind: synthetic}
  scenario: {column: scenario}
  tasks: {click: {column: click}}
  features: {categorical: [user_id], numeric: [price], groups: {money: [price]}}
  split: {by: random}
"""
ARMS = "arms: {mmoe: , shared_bottom: }\n"
SIZES = "epochs: 4\ntrials: 9\nsizes: {quick: {epochs: 1, trials: 2}, whole: {finalists: {top: 1, seeds: 7}}}\n"


def load(text: str, size: str | None = None, data: str = DATA) -> ResolvedStudy:
    Path("s.yaml").write_text(data + text, encoding="utf-8")
    return load_study("s.yaml", size)


def refusal(text: str, size: str | None = None, data: str = DATA) -> str:
    with pytest.raises(ConfigurationError) as caught:
        try_study(load(text, size, data))
    return str(caught.value)


def test_a_size_replaces_what_it_names_and_nothing_else() -> None:
    quick, whole = load(ARMS + SIZES, "quick").spec, load(ARMS + SIZES, "whole").spec
    assert (quick.trials, quick.epochs, quick.finalists) == (2, 1.0, FinalistSpec())
    assert (whole.trials, whole.epochs, whole.finalists) == (9, 4.0, FinalistSpec(top=1, seeds=7))


def test_a_size_can_teach_and_another_not() -> None:
    text = ARMS + "sizes: {quick: {trials: 1}, full: {teaching: auto, ensemble: true}}\n"
    assert load(text).spec.teaching is None
    assert not load(text).spec.ensemble
    assert load(text, "full").spec.teaching == TeachingSpec()
    assert load(text, "full").spec.ensemble


@pytest.mark.parametrize("text", ["inputs: auto\n", "sizes: {full: {inputs: auto}}\n"])
def test_a_key_of_inputs_can_be_set_where_the_file_has_the_word_auto(text: str) -> None:
    Path("s.yaml").write_text(DATA + ARMS + text, encoding="utf-8")
    overrides = {"inputs.seeds": Override(5, "--set inputs.seeds")}
    assert load_study("s.yaml", None, overrides).spec.inputs == InputsSpec(seeds=5)


def test_trainings_of_inputs_are_with_all_groups_without_each_and_without_several() -> None:
    one_group = load(ARMS + "inputs: {seeds: 4}\n").spec
    assert forecast(one_group, ()).inputs == 4 * 2, "without the only group is without several"
    more = DATA.replace("{money: [price]}", "{money: [price], who: [user_id]}")
    two_groups = load(ARMS + "inputs: {seeds: 4}\n", data=more).spec
    assert forecast(two_groups, ()).inputs == 4 * (1 + 2 + 1)
    assert forecast(load(ARMS).spec, ()).inputs == 0


def test_a_group_without_which_a_model_has_no_input_is_not_measured() -> None:
    alone = DATA.replace("{money: [price]}", "{everything: [user_id, price]}")
    assert forecast(load(ARMS + "inputs: auto\n", data=alone).spec, ()).inputs == 0


def test_the_epochs_of_a_size_reach_every_arm() -> None:
    assert {arm.space.fixed[EPOCHS] for arm in load(ARMS + SIZES, "quick").arms} == {1.0}
    assert {arm.space.fixed[EPOCHS] for arm in load(ARMS + SIZES, "whole").arms} == {4.0}


def test_the_name_of_a_study_has_its_size_in_it_which_is_the_first_unless_it_is_named() -> None:
    names = [load(ARMS + SIZES, "whole").name, load(ARMS + SIZES).name, load(ARMS).name]
    assert names == ["s-whole", "s-quick", "s"]
    assert "'quick' is not a size of this study, known: none" in refusal(ARMS, "quick")


def test_an_unknown_size_is_reported_with_the_nearest_and_the_line_of_the_sizes() -> None:
    assert (
        "s.yaml:10:1: 'quik' is not a size of this study, known: quick, whole; did you mean 'quick'?"
        in refusal(ARMS + SIZES, "quik")
    )


OF_ANOTHER = "size_of must name an arm that is not sized itself, or a model, got "


@pytest.mark.parametrize(
    ("arms", "problem"),
    [
        ("hinet: , mmoe: {size_of: nowhere}", f"s.yaml:7:24: {OF_ANOTHER}'nowhere'"),
        ("hinet: , mmoe: {size_of: mmoe}", f"s.yaml:7:24: {OF_ANOTHER}'mmoe'"),
        ("hinet: , a: {model: mmoe, size_of: b}, b: {model: mmoe, size_of: a}", f"{OF_ANOTHER}'b'"),
        (
            "hinet: , mmoe: {size_of: hinet}",
            "size_of needs a model with the setting model.dense_parameters, got mmoe",
        ),
        (
            "hinet: , flat_moe: {size_of: hinet, fixed: {model.dense_parameters: 9000}}",
            "s.yaml:7:52: model.dense_parameters is what size_of gives; leave one of them out",
        ),
        (
            "hinet: , flat_moe: {size_of: hinet, fixed: {model.protocol: per_task}}",
            "dense_parameters is the size of one joint model and needs protocol: mdmt, got per_task",
        ),
        (
            "hinet: , flat_moe: {size_of: forest}, forest: {model: trees}",
            "s.yaml:7:17: size_of must name a network, got 'forest', which has no parameters",
        ),
    ],
    ids=["nothing", "itself", "sized too", "not sizable", "own size", "per task", "no network"],
)
def test_a_size_that_cannot_be_taken_is_refused(arms: str, problem: str) -> None:
    said = refusal(f"arms: {{{arms}}}\nreference: hinet\n")
    assert problem in said
    assert "did you mean 'a'" not in said


def test_a_model_that_the_study_has_no_arm_of_gives_its_size() -> None:
    study = load("arms: {flat_moe: {size_of: hinet}, mmoe: }\nreference: mmoe\n")
    assert next(arm for arm in study.arms if arm.name == "flat_moe").size_of == "hinet"


@pytest.mark.parametrize("groups", ["all", "none", "money"])
def test_a_group_of_the_data_may_be_chosen(groups: str) -> None:
    study = load(ARMS + f"reference: mmoe\nfixed: {{features.groups: {groups}}}\n")
    assert {arm.space.fixed["features.groups"] for arm in try_study(study).arms} == {groups}


def test_a_group_that_the_data_do_not_have_is_reported_with_the_nearest() -> None:
    said = refusal(ARMS + "reference: mmoe\nfixed: {features.groups: money+mony}\n")
    assert "'mony' is no group of the data, known: money; did you mean 'money'?" in said


def test_groups_that_leave_a_model_no_input_are_reported_at_their_line() -> None:
    data = DATA.replace("groups: {", "groups: {ids: [user_id], ")
    said = refusal(ARMS + "reference: mmoe\nfixed: {features.groups: none}\n", data=data)
    assert (
        "s.yaml:9:9: features.groups must leave a column of the row or numbers made of others, got 'none'"
        in said
    )
