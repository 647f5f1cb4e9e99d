"""Transforms: numbers become logs, normal scores or places in a cycle before they are standardised."""

from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from tables import prepared, shop

from hinet_search.data.encode import Encoding, TrainingRows, encode_numbers, fit_encoding
from hinet_search.data.encoded_folder import open_encoding
from hinet_search.data.transforms import MOST_KNOTS, Knots, Wave, fit_knots, transformed
from hinet_search.study.feature_definition import FeatureDefinition

FINITE = st.floats(-1e30, 1e30)
SOME = st.lists(FINITE, min_size=1, max_size=400)
FEW = st.lists(st.integers(-20, 20), min_size=1, max_size=60)
FEATURES: dict[str, Any] = {"categorical": ["user", "item"], "numeric": ["price", "age"]}


def fitted(train: list[float | None], transform: object, **more: object) -> Encoding:
    features = FeatureDefinition.model_validate(
        {"numeric": ["x"], "transforms": {"x": transform}, **more}
    )
    return fit_encoding(TrainingRows(pl.DataFrame({"x": train}, {"x": pl.Float64})), features)


def inputs(encoding: Encoding, values: list[float | None]) -> np.ndarray:
    return encode_numbers(pl.DataFrame({"x": values}, {"x": pl.Float64}), encoding)


def standardised(values: list[float]) -> np.ndarray:
    """What the values are without a transform."""
    features = FeatureDefinition(numeric=("x",))
    frame = pl.DataFrame({"x": values}, {"x": pl.Float64})
    return encode_numbers(frame, fit_encoding(TrainingRows(frame), features))


def brute_force_score(value: float, train: list[float]) -> float:
    """The normal score of the mid-rank of a training value."""
    below = sum(other < value for other in train)
    equal = sum(other == value for other in train)
    return NormalDist().inv_cdf((below + equal / 2) / len(train))


@given(FEW)
def test_a_score_is_that_of_the_mid_rank_among_training_rows(values: list[int]) -> None:
    train = [float(value) for value in values]
    scores = fit_knots(np.array(train)).scores_of(np.array(train))
    assert_allclose(scores, [brute_force_score(value, train) for value in train], atol=1e-12)


@given(SOME, SOME)
def test_scores_never_decrease_in_the_value(train: list[float], others: list[float]) -> None:
    scores = fit_knots(np.array(train)).scores_of(np.sort([*train, *others]))
    assert (np.diff(scores) >= 0).all()
    assert np.isfinite(scores).all()


@given(FEW, st.sampled_from([np.exp, np.cbrt, np.arctan, lambda x: 3 * x - 7]))
def test_scores_of_training_values_do_not_change_under_a_monotone_map(
    values: list[int], monotone: Any
) -> None:
    train = np.array(values, dtype=np.float64) / 4
    mapped = monotone(train)
    assert_array_equal(fit_knots(train).scores_of(train), fit_knots(mapped).scores_of(mapped))


def test_knots_are_at_most_200_and_reach_from_end_to_end() -> None:
    train = np.random.default_rng(0).standard_cauchy(50_000)
    knots = fit_knots(train)
    assert len(knots.values) <= MOST_KNOTS
    assert (knots.values[0], knots.values[-1]) == (train.min(), train.max())


def test_between_two_knots_scores_are_linear_and_outside_constant() -> None:
    knots = Knots((0.0, 4.0, 5.0), (-1.0, 1.0, 3.0))
    scores = knots.scores_of(np.array([-9.0, 0.0, 1.0, 4.0, 4.5, 5.0, 9.0]))
    assert scores.tolist() == [-1.0, -1.0, -0.5, 1.0, 2.0, 3.0, 3.0]


@given(FINITE)
def test_the_log_of_a_negative_number_is_minus_that_of_the_positive(value: float) -> None:
    logs = transformed(np.array([value, -value, abs(value)]), "log")
    assert logs[0] == -logs[1]
    assert logs[2] == pytest.approx(np.log(1 + abs(value)), abs=1e-12)


@given(st.floats(0.01, 1e4), st.integers(-50, 50), st.sampled_from(["sin", "cos"]))
def test_a_cycle_is_continuous_where_it_wraps(length: float, turns: int, part: Any) -> None:
    wrap = turns * length
    step = length * 1e-7
    around = Wave("x", length, part).of(np.array([wrap - step, wrap, wrap + step]))
    assert np.abs(np.diff(around)).max() < 1e-5


def test_a_cycle_becomes_the_sine_and_the_cosine_of_its_angle() -> None:
    hours = [0.0, 6.0, 12.0, 18.0, 24.0]
    encoding = fitted(hours, {"cycle": 24})
    assert encoding.numeric_inputs == ("x sin", "x cos")
    angles = 2 * np.pi * np.array(hours) / 24
    for place, wave in enumerate((np.sin(angles), np.cos(angles))):
        expected = (wave - wave.mean()) / wave.std()
        assert_allclose(inputs(encoding, list(hours))[:, place], expected, atol=1e-6)


def test_a_sine_that_is_constant_but_for_rounding_is_zero() -> None:
    assert (inputs(fitted([0.0, 12.0, 36.0, 0.0], {"cycle": 24}), [6.0, 0.0])[:, 0] == 0).all()


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30))
def test_a_transform_is_the_same_as_a_column_that_is_transformed_before(
    values: list[float],
) -> None:
    logs = [float(np.copysign(np.log1p(abs(value)), value)) for value in values]
    assert_array_equal(inputs(fitted(list(values), "log"), list(values)), standardised(logs))
    scores = fit_knots(np.array(values)).scores_of(np.array(values)).tolist()
    assert_array_equal(inputs(fitted(list(values), "quantile"), list(values)), standardised(scores))


@pytest.mark.parametrize("transform", ["log", "quantile"])
def test_a_missing_value_sits_at_the_mean_of_transformed_values(transform: str) -> None:
    encoding = fitted([1.0, 10.0, 1000.0, None, float("nan")], transform)
    assert encoding.numeric_inputs == ("x", "x_missing")
    assert inputs(encoding, [None, float("inf")]).tolist() == [[0.0, 1.0], [0.0, 1.0]]
    assert inputs(encoding, [1.0, 10.0, 1000.0])[:, 0].mean() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("transform", ["log", "quantile", {"cycle": 24}])
def test_a_column_without_training_values_is_zero_with_its_flag(transform: object) -> None:
    encoded = inputs(fitted([None, None], transform), [5.0, None])
    assert encoded[:, -1].tolist() == [0.0, 1.0]
    assert (encoded[:, :-1] == 0).all()


def test_a_range_comes_before_the_transform() -> None:
    encoding = fitted([0.0, 10.0, 500.0], "log", clip={"x": [0, 100]})
    expected = standardised([0.0, float(np.log1p(10)), float(np.log1p(100))])
    assert_array_equal(inputs(encoding, [0.0, 10.0, 1e300]), expected)


@given(st.floats(0, 1e-20), st.floats(1e-25, 1e-20))
def test_within_the_limits_of_a_log_a_model_can_square_its_input(low: float, gap: float) -> None:
    encoding = fitted([low, low + gap], "log")
    limits = encoding.scales[0].limits
    with np.errstate(over="raise"):
        assert np.isfinite(inputs(encoding, list(limits)) ** 2).all()


def test_transforms_are_stored_with_the_encoded_data(tmp_path: Path) -> None:
    frame = shop().with_columns(pl.col("age").cast(pl.Float64))
    transforms = {"price": "quantile", "age": {"cycle": 365}}
    data = prepared(frame, tmp_path, features=FEATURES | {"transforms": transforms})
    assert data.full_schema.numeric == ("price", "age sin", "age cos")
    encoding = open_encoding(data.folder)
    train = frame.filter(pl.col("part") == "train")
    assert encoding.knots == {"price": fit_knots(train["price"].to_numpy())}
    assert_array_equal(encode_numbers(train, encoding), data.train.numeric_RN)
