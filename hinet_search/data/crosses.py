"""Crosses: two categorical columns as one column of texts, whose values are pairs.

A pair is a text such as `7/Evening/Sunday`: the number of letters of the first value, then both. So
no two pairs have the same text, whatever their values hold. A pair is missing where a value is.
"""

from collections.abc import Iterator, Sequence

import polars as pl

from hinet_search.data.encode import Encoding
from hinet_search.data.raw_values import as_text, known_values
from hinet_search.study.cross_definition import Cross, cross_columns

MAX_PAIRS = 1_000_000  # that have an id
FEW_ROWS = 5  # of training for each pair, on average


def crossed(first: pl.Series, second: pl.Series) -> pl.Series:
    """The pairs of the values of two columns, as texts."""
    first_text = as_text(known_values(first))
    second_text = as_text(known_values(second))
    length = first_text.str.len_chars().cast(pl.String)
    return length + "/" + first_text + "/" + second_text


def num_missing_pairs(first: pl.Series, second: pl.Series) -> int:
    """The number of rows in which one of two values is null."""
    return int((first.is_null() | second.is_null()).sum())


def with_crosses(frame: pl.DataFrame, crosses: Sequence[Cross]) -> pl.DataFrame:
    """The rows with a further column for every cross, which has its name."""
    pairs = (
        crossed(frame[first], frame[second]).alias(name)
        for name, (first, second) in cross_columns(crosses).items()
    )
    return frame.with_columns(*pairs)


def cross_problems(crosses: Sequence[Cross], encoding: Encoding) -> Iterator[str]:
    """Crosses of more pairs than a field of few values has."""
    for name, num_pairs in _num_pairs(crosses, encoding).items():
        if num_pairs > MAX_PAIRS and name not in encoding.hashed:
            yield (
                f"data.features.crosses: '{name}' must have at most {MAX_PAIRS:,} pairs with an "
                f"id, got {num_pairs:,}; cross features of fewer values, raise "
                "minimum_frequency, or list the cross under hashed"
            )


def cross_warnings(
    crosses: Sequence[Cross], encoding: Encoding, num_training_rows: int
) -> Iterator[str]:
    """Warn of crosses whose pairs have few training rows each."""
    for name, num_pairs in _num_pairs(crosses, encoding).items():
        if num_pairs > num_training_rows / FEW_ROWS:
            yield (
                f"{name}: {num_pairs:,} pairs have an id, and train has {num_training_rows:,} "
                f"rows, fewer than {FEW_ROWS} a pair: cross features of fewer values, or raise "
                "minimum_frequency"
            )


def _num_pairs(crosses: Sequence[Cross], encoding: Encoding) -> dict[str, int]:
    """The number of pairs that have an id, by the name of the cross."""
    sizes = {vocabulary.name: vocabulary.size - 1 for vocabulary in encoding.vocabularies}
    return {name: sizes[name] for name in cross_columns(crosses)}
