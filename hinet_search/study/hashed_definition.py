"""Hashed definition: categorical fields whose ids are buckets of hashes of their values."""

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

from hinet_search.common.errors import did_you_mean

FEWEST_BUCKETS, MOST_BUCKETS = 2, 100_000_000
NumBuckets = Annotated[int, Field(strict=True, ge=FEWEST_BUCKETS, le=MOST_BUCKETS)]


def check_hashed(hashed: Mapping[str, int], fields: Sequence[str]) -> None:
    """Raise ValueError unless every hashed field is one of the categorical `fields`."""
    for name in hashed:
        if name not in fields:
            raise ValueError(
                f"hashed: '{name}' must be a categorical feature, got "
                f"{', '.join(fields) or 'none'}{did_you_mean(name, fields)}; a list has the "
                "buckets of its item"
            )
