"""A search space draws what its conditions ask for, from the ranges its file names, and nothing else."""

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hinet_search.common import plugins
from hinet_search.common.errors import ConfigurationError
from hinet_search.results.records import ParameterRange, Scalar
from hinet_search.search.plan.check_study import try_bounds
from hinet_search.study.distributions import Choice, FloatRange, IntRange
from hinet_search.study.find_file import shipped_folder
from hinet_search.study.load_study import Arm
from hinet_search.study.search_space import SearchSpace, load_space
from tests.spaces import PARENTS, WIDTHS, load, space_with_x

SHIPPED = sorted(path.stem for path in shipped_folder("spaces").glob("*.yaml"))


class Told:
    """A trial with given parameters; it records what it was asked."""

    def __init__(self, **values: Choice) -> None:
        self.values = values
        self.asked: dict[str, object] = {}

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int:
        self.asked[name] = (low, high, step, log)
        return int(self.values[name])  # type: ignore[arg-type]  # the test says which kind it is

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        self.asked[name] = (low, high, step, log)
        return float(self.values[name])  # type: ignore[arg-type]  # the test says which kind it is

    def suggest_categorical(self, name: str, choices: tuple[Choice, ...]) -> Choice:
        self.asked[name] = choices
        return self.values[name]


def test_parents_come_before_children_and_otherwise_the_written_order_holds() -> None:
    assert list(load(PARENTS).parameters) == ["parent", "child", "grandchild"]


@pytest.mark.parametrize(
    ("values", "drawn"),
    [
        ({"parent": True, "child": 4, "grandchild": 0.1}, ["parent", "child", "grandchild"]),
        ({"parent": True, "child": 6}, ["parent", "child"]),
        ({"parent": False}, ["parent"]),
    ],
)
def test_a_parameter_is_drawn_only_where_its_condition_and_those_above_hold(
    values: dict[str, Choice], drawn: list[str]
) -> None:
    assert list(load(PARENTS).suggest(Told(**values))) == drawn


@pytest.mark.parametrize(("layout", "drawn"), [("own", ["x"]), ("shared", ["x"]), ("global", [])])
def test_a_condition_may_ask_for_one_of_several_values(layout: str, drawn: list[str]) -> None:
    text = (
        "parameters:\n  layout: {kind: categorical, choices: [own, shared, global], default: own}\n"
        "  x: {kind: int, low: 1, high: 3, default: 1, when: {layout: [own, shared]}}\n"
    )
    assert [name for name in load(text).suggest(Told(layout=layout, x=1)) if name == "x"] == drawn


def test_several_parents_must_all_have_their_value() -> None:
    text = (
        "parameters:\n  a: {kind: int, low: 1, high: 3, default: 1}\n  b: {kind: int, low: 1, high: 3, default: 1}\n"
        "  x: {kind: int, low: 1, high: 3, default: 1, when: {a: 1, b: 2}}\n"
    )
    space = load(text)
    assert "x" in space.suggest(Told(a=1, b=2, x=1))
    assert "x" not in space.suggest(Told(a=1, b=1, x=1))
    assert "x" not in space.suggest(Told(a=2, b=2, x=1))


def test_a_condition_on_null_holds_for_null() -> None:
    text = (
        "parameters:\n  top: {kind: categorical, choices: [null, 1], default: null}\n"
        "  x: {kind: int, low: 1, high: 3, default: 1, when: {top: null}}\n"
    )
    assert "x" in load(text).suggest(Told(top=None, x=1))
    assert "x" not in load(text).suggest(Told(top=1, x=1))


@pytest.mark.parametrize(("enabled", "drawn"), [("true", ["x"]), ("false", [])])
def test_a_fixed_parent_decides_like_a_drawn_one(enabled: str, drawn: list[str]) -> None:
    space = load(
        space_with_x("kind: int, low: 1, high: 3, default: 1, when: on")
        + f"fixed: {{'on': {enabled}}}\n"
    )
    assert list(space.suggest(Told(x=2))) == drawn


def test_the_default_configuration_leaves_out_what_no_condition_asks_for() -> None:
    assert load(PARENTS).default() == {"parent": True, "child": 5, "grandchild": 0.5}
    assert load(PARENTS.replace("default: true", "default: false")).default() == {"parent": False}


def test_a_trial_is_asked_for_exactly_what_the_file_says() -> None:
    trial = Told(i=2, n=1, f=0.1, c="a", w="none", g=0.5)
    load(
        "parameters:\n"
        "  i: {kind: int, low: 2, high: 8, default: 2, step: 3}\n"
        "  n: {kind: int, low: 1, high: 20, default: 1, log: true}\n"
        "  f: {kind: float, low: 1.0e-4, high: 1, default: 0.1, log: true}\n"
        "  g: {kind: float, low: 0, high: 1, default: 0.5, step: 0.25}\n"
        "  c: {kind: categorical, choices: [a, null, 1], default: a}\n"
        "  w: {kind: widths, choices: {none: [], '64': [64]}, default: none}\n"
    ).suggest(trial)
    assert trial.asked == {
        "i": (2, 8, 3, False),
        "n": (1, 20, 1, True),
        "f": (1e-4, 1.0, None, True),
        "g": (0.0, 1.0, 0.25, False),
        "c": ("a", None, 1),
        "w": ("none", "64"),
    }


@pytest.mark.parametrize(("name", "widths"), [("none", ()), ("64-32", (64, 32))])
def test_a_name_of_widths_becomes_its_list(name: str, widths: tuple[int, ...]) -> None:
    assert load(WIDTHS).values({"x": name}) == {"x": widths}


def test_values_are_the_draw_and_what_is_fixed() -> None:
    space = load(
        space_with_x("kind: int, low: 1, high: 3, default: 1") + "fixed: {y: 7, z: [8, 4]}\n"
    )
    assert space.values({"x": 2}) == {"x": 2, "y": 7, "z": (8, 4)}


def test_a_parameter_held_at_a_value_is_no_longer_searched() -> None:
    space = load(PARENTS).with_fixed({"child": 4}, "study.yaml:9")
    assert list(space.parameters) == ["parent", "grandchild"]
    assert (space.fixed, space.places["child"]) == ({"child": 4}, "study.yaml:9")
    assert space.suggest(Told(parent=False, grandchild=0.5)) == {"parent": False, "grandchild": 0.5}


def test_widths_held_by_their_name_become_the_list() -> None:
    assert load(WIDTHS).with_fixed({"x": "64-32"}, "").fixed == {"x": (64, 32)}
    assert load(WIDTHS).with_fixed({"x": (7,)}, "").fixed == {"x": (7,)}


def test_ranges_say_what_a_report_shows() -> None:
    space = load(
        "parameters:\n"
        "  f: {kind: float, low: 1.0e-4, high: 1, default: 0.1, log: true}\n"
        "  c: {kind: categorical, choices: [a, null], default: a, when: f}\n"
        "  w: {kind: widths, choices: {none: [], '64': [64]}, default: '64', when: {c: a, f: 1}}\n"
    )
    assert space.ranges() == (
        ParameterRange("f", "float", 1e-4, 1.0, True, (), 0.1, ""),
        ParameterRange("c", "categorical", None, None, False, ("a", "None"), "a", "f"),
        ParameterRange("w", "widths", None, None, False, ("none", "64"), "64", "c = a and f = 1"),
    )


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_space_loads_by_its_name(name: str) -> None:
    assert load_space(name).name == name


MODELS = plugins.names("hinet_search.models")


@pytest.mark.parametrize("name", [name for name in SHIPPED if name in MODELS])
def test_every_bound_of_a_shipped_space_is_a_configuration_of_its_model(name: str) -> None:
    try_bounds(Arm(name, name, load_space(name), "here"))


@pytest.mark.parametrize("name", [name for name in SHIPPED if name not in MODELS])
def test_every_bound_of_a_space_that_models_share_is_a_configuration_of_some(name: str) -> None:
    def suits(model: str) -> bool:
        with suppress(ConfigurationError):
            try_bounds(Arm(name, model, load_space(name), "here"))
            return True
        return False

    assert sum(map(suits, MODELS)) > 1


def within(space: SearchSpace, drawn: Mapping[str, Scalar]) -> bool:
    def fits(name: str, value: Scalar) -> bool:
        distribution = space.parameters[name]
        if isinstance(distribution, IntRange | FloatRange):
            return distribution.low <= float(value) <= distribution.high  # type: ignore[arg-type]  # it is a number
        return value in distribution.choices

    return all(fits(name, value) for name, value in drawn.items())


@pytest.mark.parametrize("name", SHIPPED)
def test_the_default_of_a_shipped_space_is_a_draw_of_it(name: str) -> None:
    space = load_space(name)
    default = space.default()
    assert within(space, default)
    assert space.suggest(Told(**default)) == default


def drawn(text: str, most: int = 100) -> list[dict[str, Scalar]]:
    return list(islice(load(text).draws(), most))


def test_every_draw_of_a_finite_space_comes_once() -> None:
    text = """\
parameters:
  a: {kind: int, low: 2, high: 6, step: 2, default: 2}
  b: {kind: categorical, choices: [x, null], default: x}
  c: {kind: float, low: 0.1, high: 0.3, step: 0.1, default: 0.1}
"""
    assert (
        len({repr(draw) for draw in drawn(text)})
        == len(drawn(text))
        == load(text).size(100)
        == 3 * 2 * 3
    )


def test_a_condition_leaves_a_parameter_out_of_the_draws_that_it_does_not_hold_in() -> None:
    text = """\
parameters:
  wide: {kind: categorical, choices: [true, false], default: true}
  width: {kind: int, low: 1, high: 3, default: 1, when: wide}
"""
    assert drawn(text) == [
        {"wide": True, "width": 1},
        {"wide": True, "width": 2},
        {"wide": True, "width": 3},
        {"wide": False},
    ]


def test_a_space_with_nothing_to_search_has_one_draw() -> None:
    assert drawn("fixed: {a: 1}") == [{}]


@pytest.mark.parametrize(
    "text", [PARENTS, "parameters: {x: {kind: float, low: 0.001, high: 1, log: true, default: 1}}"]
)
def test_a_continuous_parameter_has_as_many_draws_as_are_asked_for(text: str) -> None:
    assert load(text).size(60) == 60
    assert len({repr(draw) for draw in drawn(text, 60)}) == 60


@pytest.mark.parametrize("name", SHIPPED)
def test_every_counted_draw_is_one_that_the_space_can_make(name: str) -> None:
    space = load_space(name)
    for draw in islice(space.draws(), 20):
        assert space.suggest(Told(**draw)) == draw


@pytest.mark.parametrize(
    ("low", "high", "drawn", "exact"),
    [(0.1, 0.5, 0.1 + 2 * 0.1, 0.3), (-0.3, 0.3, -0.3 + 3 * 0.1, 0.0)],
)
def test_a_step_is_drawn_as_it_would_be_typed(
    low: float, high: float, drawn: float, exact: float
) -> None:
    space = load(space_with_x(f"kind: float, low: {low}, high: {high}, default: {high}, step: 0.1"))
    assert drawn != exact
    assert space.suggest(Told(x=drawn)) == space.values({"x": drawn}) == {"x": exact}
    assert {"x": exact} in list(space.draws())


def test_a_number_without_steps_is_taken_as_it_was_drawn() -> None:
    space = load(space_with_x("kind: float, low: 0, high: 1, default: 0.5"))
    assert space.suggest(Told(x=0.1 + 2 * 0.1)) == {"x": 0.1 + 2 * 0.1}


@pytest.mark.parametrize("name", SHIPPED)
@given(share=st.floats(0, 1))
def test_any_share_of_any_range_is_a_value_of_it(name: str, share: float) -> None:
    space = load_space(name)
    draw = space.at(dict.fromkeys(space.parameters, share))
    assert within(space, draw)
    assert space.suggest(Told(**draw)) == draw


def test_shares_go_from_the_low_end_to_the_high_end_on_the_scale_of_the_range() -> None:
    space = load("""\
parameters:
  int: {kind: int, low: 1, high: 7, step: 3, default: 1}
  log: {kind: int, low: 1, high: 100, log: true, default: 1}
  rate: {kind: float, low: 0.001, high: 0.1, log: true, default: 0.1}
  step: {kind: float, low: 0.1, high: 0.7, step: 0.2, default: 0.1}
  word: {kind: categorical, choices: [a, b, c], default: a}
  widths: {kind: widths, choices: {none: [], "8": [8]}, default: "8"}
""")
    values = [
        list(space.at(dict.fromkeys(space.parameters, share)).values()) for share in (0, 0.5, 1)
    ]
    assert values[0] == [1, 1, 0.001, 0.1, "a", "none"]
    assert values[1] == [4, 10, pytest.approx(0.01), 0.5, "b", "none"]
    assert values[2] == [7, 100, 0.1, 0.7, "c", "8"]
    assert space.at({"word": 0.9, "widths": 0.6}) == {
        **space.default(),
        "word": "c",
        "widths": "8",
    }, "the nearest choice"


@pytest.mark.parametrize(
    "kind",
    [
        "kind: categorical, choices: [1, 2, 3], default: 1",
        "kind: int, low: 1, high: 3, default: 1",
        "kind: int, low: 2, high: 10, step: 4, default: 2",
        'kind: widths, choices: {none: [], "8": [8], "16": [16]}, default: "8"',
    ],
)
def test_random_draws_take_every_value_equally_often(kind: str) -> None:
    space = load(space_with_x(kind))
    counts = Counter(space.at_random(seed)["x"] for seed in range(600))
    assert len(counts) == 3
    assert min(counts.values()) > 160  # 200 expected, standard deviation 12
