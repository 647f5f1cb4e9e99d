"""A space with meaningless or contradictory files is refused when it is loaded, with the place."""

import re

import pytest

from hinet_search.common.errors import ConfigurationError
from hinet_search.search.plan.check_study import try_bounds
from hinet_search.study.load_study import Arm
from tests.spaces import PARENTS, WIDTHS, load, space_with_x


def refusal(text: str, **others: str) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        load(text, **others)
    return caught.value.problems


REFUSED = {
    "low above high": (
        "kind: int, low: 8, high: 3, default: 5",
        "parameters.x: needs low < high, got low 8 >= high 3",
    ),
    "low equal to high": (
        "kind: float, low: 1, high: 1, default: 1",
        "parameters.x: needs low < high, got low 1.0 >= high 1.0",
    ),
    "log from zero": (
        "kind: float, low: 0, high: 1, default: 0.5, log: true",
        "parameters.x: needs low > 0 with log: true, got low 0.0",
    ),
    "log below zero": (
        "kind: int, low: -1, high: 3, default: 1, log: true",
        "parameters.x: needs low > 0 with log: true, got low -1",
    ),
    "log with a step": (
        "kind: int, low: 1, high: 3, default: 1, log: true, step: 2",
        "parameters.x: takes 'log' or 'step', not both",
    ),
    "a step that does not divide": (
        "kind: int, low: 1, high: 8, default: 1, step: 3",
        "parameters.x: needs a step that divides high - low, got step 3 and 7",
    ),
    "a fractional step that does not divide": (
        "kind: float, low: 0, high: 1, default: 0, step: 0.3",
        "parameters.x: needs a step that divides high - low, got step 0.3 and 1.0",
    ),
    "a default between two steps": (
        "kind: int, low: 0, high: 8, default: 3, step: 2",
        "parameters.x: needs a default whole steps above low, got default 3, low 0 and step 2",
    ),
    "a default outside": (
        "kind: int, low: 1, high: 3, default: 4",
        "parameters.x: needs low <= default <= high, got default 4 outside 1 to 3",
    ),
    "no default": (
        "kind: int, low: 1, high: 3",
        "key 'parameters.x.default' is needed and missing",
    ),
    "no choice": (
        "kind: categorical, choices: [], default: 1",
        "parameters.x.choices: must have at least one value, got an empty list",
    ),
    "a choice that is a list": (
        "kind: categorical, choices: [1, [2]], default: 1",
        "parameters.x.choices.1: must be true or false, an integer, a number or a text, got a list",
    ),
    "a choice twice": (
        "kind: categorical, choices: [a, b, a], default: a",
        "parameters.x: names a choice twice: a, b, a",
    ),
    "a choice twice in two types": (
        "kind: categorical, choices: [1, true], default: 1",
        "parameters.x: names a choice twice: 1, True",
    ),
    "a default that is no choice": (
        "kind: categorical, choices: [a, b], default: c",
        "parameters.x: needs a default among its choices a, b, got 'c'",
    ),
    "a width of zero": (
        "kind: widths, choices: {a: [64, 0]}, default: a",
        "parameters.x.choices.a.1: must be greater than or equal to 1, got 0",
    ),
    "no widths": (
        "kind: widths, choices: {}, default: a",
        "parameters.x.choices: must have at least one value, got an empty mapping",
    ),
    "a default that is no name of widths": (
        "kind: widths, choices: {small: [8], large: [64]}, default: smal",
        "parameters.x: needs a default among small, large; did you mean 'small'?",
    ),
    "an unknown kind": (
        "kind: integer, low: 1, high: 3, default: 1",
        "parameters.x.kind: must be one of int, float, categorical, widths, got 'integer'; did you mean 'int'?",
    ),
    "an unknown key": (
        "kind: int, low: 1, hihg: 3, high: 4, default: 1",
        "unknown key 'hihg' in 'parameters.x'; did you mean 'high'?",
    ),
    "an infinite bound": (
        "kind: float, low: 1, high: .inf, default: 1",
        "numbers must be finite, got inf",
    ),
    "a condition that is a number": (
        "kind: int, low: 1, high: 3, default: 1, when: 5",
        "parameters.x.when: must be a text or a mapping of keys, got 5",
    ),
    "a condition on an unknown parameter": (
        "kind: int, low: 1, high: 3, default: 1, when: y",
        "x has a condition on 'y', which the space does not name",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_parameter_that_means_nothing_is_refused_with_its_place(case: str) -> None:
    text, message = REFUSED[case]
    (told,) = refusal(space_with_x(text))
    assert re.fullmatch(rf"a\.yaml:2:\d+: {re.escape(message)}", told)


def test_every_wrong_parameter_is_reported_at_once() -> None:
    text = "parameters:\n  x: {kind: int, low: 2, high: 1, default: 1}\n  y: {kind: in}\n"
    assert [line.split(": ")[0] for line in refusal(text)] == ["a.yaml:2:3", "a.yaml:3:3"]


@pytest.mark.parametrize(
    "text",
    [
        "kind: int, low: 2, high: 10, default: 6, step: 4",
        "kind: float, low: 0, high: 0.3, default: 0.2, step: 0.1",
    ],
)
def test_a_step_that_divides_the_range_is_accepted(text: str) -> None:
    assert list(load(space_with_x(text)).parameters) == ["x"]


def test_a_condition_names_the_nearest_parameter() -> None:
    text = PARENTS.replace("when: parent", "when: parnet")
    assert refusal(text) == (
        "a.yaml:2:3: child has a condition on 'parnet', which the space does not name; did you mean 'parent'?",
    )


def test_a_condition_on_a_choice_that_its_parent_does_not_have_is_refused() -> None:
    text = PARENTS.replace("when: parent", "when: {parent: [true, maybe]}")
    assert refusal(text) == (
        "a.yaml:2:3: child has a condition on parent = maybe, which is not among its choices True, False",
    )


def test_conditions_that_go_round_in_a_circle_are_refused() -> None:
    text = PARENTS.replace("default: true}", "default: true, when: {grandchild: 1}}")
    assert refusal(text) == (
        "a.yaml:2:3: the conditions of child, grandchild, parent go round in a circle",
    )


def test_a_condition_on_itself_is_a_circle() -> None:
    assert refusal(space_with_x("kind: int, low: 1, high: 3, default: 1, when: x")) == (
        "a.yaml:2:3: the conditions of x go round in a circle",
    )


def test_an_included_file_comes_first_and_the_file_itself_replaces_its_keys() -> None:
    included = "parameters:\n  x: {kind: int, low: 1, high: 3, default: 1}\n  y: {kind: int, low: 1, high: 3, default: 1}\n"
    space = load(
        "include: [b]\n" + space_with_x("kind: int, low: 5, high: 9, default: 5"), b=included
    )
    assert {name: parameter.bounds for name, parameter in space.parameters.items()} == {
        "x": (5, 9),
        "y": (1, 3),
    }
    assert space.places == {"x": "a.yaml:3:3", "y": "b.yaml:3:3"}


def test_later_includes_replace_earlier_ones() -> None:
    space = load("include: [b, c]\n", b="fixed: {x: 1}\nmax_parameters: 10\n", c="fixed: {x: 2}\n")
    assert space.fixed == {"x": 2}
    assert space.max_parameters == 10


def test_what_an_included_file_fixes_can_be_searched_and_the_other_way_round() -> None:
    searched = space_with_x("kind: int, low: 5, high: 9, default: 5")
    space = load("include: [b]\n" + searched, b="fixed: {x: 1}\n")
    assert (list(space.parameters), dict(space.fixed)) == (["x"], {})
    space = load("include: [b]\nfixed: {x: 1}\n", b=searched)
    assert (list(space.parameters), dict(space.fixed)) == ([], {"x": 1})
    assert space.places["x"] == "a.yaml:2:9"
    limited = load("include: [b]\nmax_parameters: null\n", b="max_parameters: 10\n")
    assert limited.max_parameters is None


def test_widths_can_be_fixed_by_their_name() -> None:
    assert load("include: [b]\nfixed: {x: 64-32}\n", b=WIDTHS).fixed == {"x": (64, 32)}


def test_a_name_both_searched_and_fixed_in_one_file_is_refused() -> None:
    assert refusal(WIDTHS + "fixed: {x: none}\n") == (
        "a.yaml:1: must be either searched or fixed in one file: x",
    )


def test_a_file_that_includes_itself_through_another_is_refused() -> None:
    assert refusal("include: [b]\n", b="fixed: {x: 1}\ninclude: [./a]\n") == (
        "b.yaml:2:11: './a' includes itself",
    )


def test_a_file_may_be_included_twice_on_two_ways() -> None:
    assert load(
        "include: [b, c]\n", b="include: [d]\n", c="include: [d]\n", d="fixed: {x: 1}\n"
    ).fixed == {"x": 1}


def test_a_missing_included_file_is_reported_at_the_line_that_names_it() -> None:
    (message,) = refusal("include:\n- trainig\n")
    assert message.startswith(
        "a.yaml:2:3: there is no space 'trainig': looked at trainig.yaml, spaces/trainig.yaml, "
    )
    assert message.endswith("; did you mean 'training'?")


def test_a_problem_of_an_included_file_is_reported_with_its_own_line() -> None:
    assert refusal("include: [b]\n", b="# comment\nparamters: {}\n") == (
        "b.yaml:2:1: unknown key 'paramters'; did you mean 'parameters'?",
    )


def test_a_parameter_that_no_configuration_has_is_refused_with_its_place() -> None:
    space = load(
        "include: [mmoe]\n"
        + space_with_x("kind: int, low: 1, high: 3, default: 1").replace("x:", "model.num_expert:")
    )
    with pytest.raises(ConfigurationError) as caught:
        try_bounds(Arm("mmoe", "mmoe", space, "here"))
    assert caught.value.problems == (
        "a.yaml:3:3: 'model.num_expert' is no setting of mmoe; did you mean 'model.num_experts'?",
    )


def test_a_bound_that_the_model_does_not_take_is_refused_with_its_place() -> None:
    space = load(
        "include: [mmoe]\n"
        + space_with_x("kind: int, low: 0, high: 3, default: 1").replace("x:", "model.num_experts:")
    )
    with pytest.raises(ConfigurationError) as caught:
        try_bounds(Arm("mmoe", "mmoe", space, "here"))
    assert caught.value.problems == (
        "a.yaml:3:3: model.num_experts: must be greater than or equal to 1, got 0",
    )
