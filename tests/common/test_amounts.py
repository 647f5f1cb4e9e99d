"""Amounts have at most three digits and a unit, never an exponent, and larger ones read as larger."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hinet_search.common.amounts import byte_size, compact, counted, percent, plain

UNITS = {
    "": 1,
    "k": 1e3,
    "kB": 1e3,
    "M": 1e6,
    "MB": 1e6,
    "G": 1e9,
    "GB": 1e9,
    "T": 1e12,
    "TB": 1e12,
}
LARGEST = 999_000_000_000_000
WRITERS = pytest.mark.parametrize("write", [compact, byte_size])


def value_of(text: str) -> float:
    number, _, unit = text.partition(" ")
    return float(number) * UNITS[unit]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (999, "999"),
        (999.4, "999"),
        (999.5, "1.00 k"),
        (1_000, "1.00 k"),
        (999_499, "999 k"),
        (999_500, "1.00 M"),
        (999_999, "1.00 M"),
        (1_920_000, "1.92 M"),
        (24_149, "24.1 k"),
        (1e21, "1000 E"),
    ],
)
def test_a_count_rolls_over_to_the_next_unit(number: float, text: str) -> None:
    assert compact(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 kB"),
        (1, "1 kB"),
        (3_400, "3 kB"),
        (812_000, "812 kB"),
        (999_400, "999 kB"),
        (999_600, "1.00 MB"),
        (1_404_000, "1.40 MB"),
        (31_200_000_000, "31.2 GB"),
    ],
)
def test_bytes_roll_over_to_the_next_unit(number: float, text: str) -> None:
    assert byte_size(number) == text


@WRITERS
@given(number=st.integers(0, LARGEST))
def test_an_amount_has_at_most_three_digits_and_no_exponent(write, number: int) -> None:
    assert re.fullmatch(r"\d{1,3}( [kMGT]?B?)?|\d\d?\.\d{1,2} [kMGT]B?", write(number))
    assert len(re.findall(r"\d", write(number))) <= 3


@WRITERS
@given(number=st.integers(0, LARGEST), other=st.integers(0, LARGEST))
def test_a_larger_amount_never_reads_as_smaller(write, number: int, other: int) -> None:
    low, high = sorted((number, other))
    assert value_of(write(low)) <= value_of(write(high))


@WRITERS
@given(number=st.integers(1_000, LARGEST))
def test_what_is_read_is_within_half_a_digit_of_the_amount(write, number: int) -> None:
    error = 500 if write is byte_size and number < 999_500 else 0.005 * number
    assert abs(value_of(write(number)) - number) <= error


@given(st.integers(0, 10**12))
def test_a_counted_number_has_no_exponent(number: int) -> None:
    assert counted(number, "trial") == f"{number:,} trial{'' if number == 1 else 's'}"


@pytest.mark.parametrize(
    ("number", "text"), [(2, "2"), (2.5, "2.5"), (1e7, "10,000,000"), (0.25, "0.25")]
)
def test_a_chosen_number_is_written_as_it_was_chosen(number: float, text: str) -> None:
    assert plain(number) == text


@pytest.mark.parametrize(
    ("share", "text"), [(1, "100 %"), (0.9999, "100 %"), (0.048, "4.8 %"), (0.0036, "0.36 %")]
)
def test_a_whole_share_is_100_per_cent(share: float, text: str) -> None:
    assert percent(share) == text
