"""JSON values: numbers and mappings of a record as a JSON document has them."""

from collections.abc import Iterable, Mapping
from math import isfinite

from hinet_search.results.records import Scalar

Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None


def mapped(values: Mapping[str, Scalar]) -> Json:
    """Round the numbers of a mapping."""
    return {name: plain(value) for name, value in values.items()}


def all_plain(values: Iterable[float | None]) -> Json:
    """Round every number."""
    return [plain(value) for value in values]


def plain(value: float | str | None, digits: int = 5) -> Json:
    """Round to significant digits, beyond any number's precision; NaN becomes null."""
    if isinstance(value, float):
        return float(f"{value:.{digits}g}") if isfinite(value) else None
    return value
