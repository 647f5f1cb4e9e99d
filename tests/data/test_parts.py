"""A row belongs to the part whose first number is the last one not above its own."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from hinet_search.data.parts import part_of

FIRST = {"train": 0.0, "valid": 0.7, "test": 0.8}


@given(st.lists(st.floats(0, 1, allow_nan=False)))
def test_the_first_number_of_a_part_belongs_to_it(numbers: list[float]) -> None:
    every = [*numbers, 0.0, 0.7, 0.8]
    parts = pl.select(part_of(pl.Series(every), FIRST))["split"]
    assert parts.to_list() == [
        "test" if number >= 0.8 else "valid" if number >= 0.7 else "train" for number in every
    ]


def test_a_part_may_be_alone_or_in_another_order() -> None:
    rows = pl.DataFrame({"number": [0.05, 0.1]})
    assert (
        rows.with_columns(part_of(pl.col("number"), {"test": 0.0}))["split"].to_list()
        == ["test"] * 2
    )
    turned = part_of(pl.col("number"), {"valid": 0.0, "train": 0.1})
    assert rows.with_columns(turned)["split"].to_list() == ["valid", "train"]
