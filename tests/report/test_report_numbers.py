"""Numbers as the report writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hinet_search.report import numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.71234, "0.7123"),
        (1.0, "1.000"),
        (0.99996, "1.000"),
        (1.2345, "1.234"),
        (12.3456, "12.35"),
        (-0.0034, "−0.0034"),
        (0.0, "0.0000"),
        (None, "–"),
    ],
)
def test_a_metric_has_four_digits_and_no_leading_zero(value: float | None, text: str) -> None:
    assert numbers.metric(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0043, "+0.0043"), (-0.0034, "−0.0034"), (0.00004, "0.0000"), (-0.00004, "0.0000")],
)
def test_a_gain_has_a_sign_unless_it_rounds_to_zero(value: float, text: str) -> None:
    assert numbers.gain(value) == text


@given(st.floats(-3, 3))
def test_no_number_has_a_hyphen_for_a_minus(value: float) -> None:
    assert "-" not in numbers.metric(value) + numbers.gain(value)


@given(st.floats(0.0001, 9))
def test_a_gain_and_its_loss_differ_by_the_sign_only(value: float) -> None:
    assert numbers.gain(-value).lstrip("−") == numbers.gain(value).lstrip("+")


def test_an_interval_says_that_one_seed_has_none() -> None:
    assert numbers.interval(None, None) == "one seed, no interval"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.42, "0.4 s"),
        (9.96, "10 s"),
        (45, "45 s"),
        (552, "9 m 12 s"),
        (7_380, "2 h 3 m"),
        (273_600, "3 d 4 h"),
        (59.7, "1 m 0 s"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds: float, text: str) -> None:
    assert numbers.duration(seconds) == text


@pytest.mark.parametrize(("size", "text"), [(50, "50"), (20_000, "20 k"), (1_500_000, "1.5 M")])
def test_a_round_size_has_no_trailing_zeros(size: float, text: str) -> None:
    assert numbers.round_size(size) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (8.4e-4, "8.4e-4"),
        (1e-3, "0.001"),
        (0.12, "0.12"),
        (4096, "4096"),
        (True, "true"),
        (None, "none"),
        ("adam", "adam"),
        (-2e-5, "−2e-5"),
        (0.0, "0"),
    ],
)
def test_a_setting_is_short(value: float | str | None, text: str) -> None:
    assert numbers.setting(value) == text


def test_labels_of_one_axis_have_the_same_decimals() -> None:
    assert numbers.ticks([0.75, 0.755, 0.76]) == ["0.750", "0.755", "0.760"]


def test_signed_labels_leave_zero_alone() -> None:
    assert numbers.ticks([-0.005, 0.0, 0.005], signed=True) == ["−0.005", "0", "+0.005"]


@pytest.mark.parametrize(
    ("count", "noun", "text"),
    [
        (1, "seed", "1 seed"),
        (2, "seed", "2 seeds"),
        (0, "trial", "0 trials"),
        (1.0, "epoch", "1 epoch"),
        (0.5, "epoch", "0.5 epochs"),
        (2_000_000, "trial", "2000000 trials"),
    ],
)
def test_only_one_has_no_plural(count: float, noun: str, text: str) -> None:
    assert numbers.plural(count, noun) == text


@pytest.mark.parametrize(
    ("counts", "text"), [([1, 1], "1 seed"), ([5], "5 seeds"), ([5, 3, 4], "3 to 5 seeds")]
)
def test_seeds_that_differ_are_a_range(counts: list[int], text: str) -> None:
    assert numbers.seeds(counts) == text
