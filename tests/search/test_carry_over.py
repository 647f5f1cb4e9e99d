"""A configuration carries over to another space as its differences from the default there."""

from pathlib import Path

import pytest

from hinet_search.results.records import Scalar
from hinet_search.search.warm_start import carried_over
from hinet_search.study.search_space import SearchSpace, load_space

FROM = """\
parameters:
  train.learning_rate: {kind: float, low: 0.001, high: 0.1, log: true, default: 0.01}
  train.batch_size: {kind: categorical, choices: [256, 512, 1024], default: 512}
  model.dropout: {kind: float, low: 0.0, high: 0.6, step: 0.1, default: 0.2}
  model.num_experts: {kind: int, low: 1, high: 8, default: 3}
  model.widths: {kind: widths, choices: {"64": [64], "128": [128]}, default: "64"}
  train.shuffle: {kind: categorical, choices: [rows, blocks], default: rows}
  train.decay: {kind: float, low: 0.0, high: 1.0, default: 0.0}
  train.bound: {kind: int, low: 1, high: 64, log: true, default: 8}
  train.layers: {kind: categorical, choices: [0, 1, 2], default: 1}
  train.flag: {kind: categorical, choices: [true, false], default: true}
  only.here: {kind: int, low: 1, high: 8, default: 3}
"""
TO = """\
parameters:
  train.learning_rate: {kind: float, low: 0.001, high: 0.04, log: true, default: 0.004}
  train.batch_size: {kind: categorical, choices: [1024, 2048, 4096], default: 2048}
  model.dropout: {kind: float, low: 0.0, high: 0.5, default: 0.1}
  model.num_experts: {kind: int, low: 2, high: 10, step: 2, default: 4}
  model.widths: {kind: widths, choices: {"128": [128], "256": [256]}, default: "256"}
  train.shuffle: {kind: categorical, choices: [rows, other], default: other}
  train.decay: {kind: float, low: 0.001, high: 1.0, log: true, default: 0.01}
  train.bound: {kind: int, low: 1, high: 100, log: true, default: 16}
  train.layers: {kind: categorical, choices: [0, 1, 4], default: 4}
  train.flag: {kind: categorical, choices: [true, false], default: false}
  only.there: {kind: int, low: 1, high: 8, default: 5}
  only.wide: {kind: int, low: 1, high: 8, default: 6, when: {model.widths: "128"}}
"""


def space(text: str, name: str) -> SearchSpace:
    Path(f"{name}.yaml").write_text(text)
    return load_space(f"{name}.yaml")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def carried(**changes: Scalar) -> dict[str, Scalar]:
    """Carry over the default of one space with changes; names have __ for dots."""
    known, to = space(FROM, "known"), space(TO, "to")
    named = {name.replace("__", "."): value for name, value in changes.items()}
    return carried_over({**known.default(), **named}, known.ranges(), to)


def test_a_default_becomes_the_default() -> None:
    assert carried() == space(TO, "to").default()


@pytest.mark.parametrize(
    ("name", "value", "there"),
    [
        ("train.learning_rate", 0.02, 0.008),  # twice the default
        ("train.learning_rate", 0.1, pytest.approx(0.04)),
        ("train.learning_rate", 0.001, 0.001),  # not below the range
        ("train.batch_size", 1024, 4096),
        ("train.batch_size", 256, 1024),
        ("model.dropout", 0.5, pytest.approx(0.4)),  # 0.3 above the default
        ("model.dropout", 0.0, 0.0),
        ("model.num_experts", 5, 6),
        ("model.num_experts", 8, 10),  # 9 is between two steps
        ("model.widths", "128", "128"),
        ("model.widths", "64", "256"),  # the default, as there
        ("train.shuffle", "blocks", "other"),  # no choice there
        ("train.decay", 0.5, 0.01),  # no multiple of 0
        ("train.bound", 32, 64),
        ("train.bound", 64, 100),
        ("train.layers", 0, 0),  # a choice, as 0 has no multiple
        ("train.layers", 2, 4),  # no choice there
        ("train.flag", False, False),
    ],
)
def test_a_value_is_as_far_from_the_default_as_it_was(
    name: str, value: Scalar, there: Scalar
) -> None:
    assert carried(**{name.replace(".", "__"): value})[name] == there


def test_what_only_one_space_has_is_at_its_default() -> None:
    draw = carried(only__here=8, model__widths="128")
    assert "only.here" not in draw
    assert draw["only.there"] == 5
    assert draw["only.wide"] == 6, "its condition holds now"


def test_every_value_carried_over_is_a_value_of_the_space() -> None:
    known, to = space(FROM, "known"), space(TO, "to")
    for share in (0.0, 0.2, 0.5, 0.8, 1.0):
        drawn = known.at(dict.fromkeys(known.parameters, share))
        draw = carried_over(drawn, known.ranges(), to)
        assert draw.keys() <= to.parameters.keys()
        for name, value in draw.items():
            low, *_, high = to.parameters[name].bounds
            if isinstance(value, float):
                assert isinstance(low, float)
                assert isinstance(high, float)
                assert low <= value <= high
