"""Numbers: format for the report, with at most four digits and a true minus.

A missing number is a dash; the text around it says why it is missing.
"""

from collections.abc import Iterable, Sequence
from math import floor, isfinite, log10

from hinet_search.common import amounts
from hinet_search.results.records import Scalar

DASH = "–"
MINUS = "−"
duration = amounts.duration
percent = amounts.percent
_SUFFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_WORDS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def metric(value: float | None) -> str:
    """Format a metric: `0.7123`, `1.204` (log loss), `1.000`."""
    if value is None:
        return DASH
    if not isfinite(value):
        return _signed("∞", value, plus="")
    rounded = round(abs(value), 4)
    decimals = 4 if rounded < 1 else max(0, 3 - floor(log10(rounded)))
    return _signed(f"{rounded:.{decimals}f}", value, plus="")


def gain(value: float | None) -> str:
    """Format a gain with its sign: `+0.0043`, `−0.0034`; a gain that rounds to zero has none."""
    return DASH if value is None else _signed(metric(abs(value)), value, plus="+")


def probability(value: float | None) -> str:
    """Format a p-value: `0.0312`, `< 0.0001`."""
    return "< 0.0001" if value is not None and value < 0.0001 else metric(value)


def spread(value: float | None) -> str:
    """Format a standard deviation: `±0.0006`; empty with one seed."""
    return "" if value is None else f"±{metric(value)}"


def interval(low: float | None, high: float | None) -> str:
    """Format an interval, `+0.0027 to +0.0059`, or say why there is none."""
    if low is None or high is None:
        return "one seed, no interval"
    return f"{gain(low)} to {gain(high)}"


def compact(value: float | None) -> str:
    """Format a count with three digits: `412`, `8.11 M`, `13.1 k`, `0.25`."""
    return DASH if value is None else amounts.compact(value)


def plain(value: float, decimals: int = 2) -> str:
    """Format a number with the decimals that it needs, `decimals` at most: `2`, `1.5`, `0.25`."""
    return amounts.plain(value, decimals)


def round_size(value: float) -> str:
    """Format a round size as an axis label: `1.5 M`, `20 k`, `0.5`."""
    for size, suffix in _SUFFIXES:
        if value >= size:
            return f"{value / size:g} {suffix}"
    return f"{value:g}"


def milliseconds(value: float | None) -> str:
    """Format milliseconds with three digits: `3.91 ms`, `0.482 ms`, `1.20 s`."""
    if value is None:
        return DASH
    if value == 0:
        return "0 ms"
    unit = "ms"
    if value >= 1000:
        value = value / 1000
        unit = "s"
    rounded = float(f"{value:.3g}")
    decimals = max(0, 2 - floor(log10(abs(rounded))))
    return f"{rounded:.{decimals}f} {unit}"


def share(weight: float) -> str:
    """Format a weight of 0 to 1 with two digits: `0.97`, `1.00`."""
    return f"{weight:.2f}"


def setting(value: Scalar) -> str:
    """Format a hyperparameter with at most three digits: `8.4e-4`, `0.12`, `4096`, `true`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, float):
        return "none" if value is None else str(value)
    if value != 0 and not 0.001 <= abs(value) < 10_000:
        mantissa, exponent = f"{abs(value):.1e}".split("e")
        sign = MINUS if value < 0 else ""
        return f"{sign}{mantissa.removesuffix('.0')}e{int(exponent)}"
    return _signed(f"{abs(value):.3g}", value, plus="")


def plural(count: float, noun: str) -> str:
    """Format a count with its noun: `1 seed`, `5 seeds`, `0.5 epochs`."""
    several = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{count:.15g} {noun if count == 1 else several}"


def agree(count: int, one: str, several: str) -> str:
    """Return the form of a word that agrees with a count: `has` or `have`."""
    return one if count == 1 else several


def seeds(counts: Iterable[int]) -> str:
    """Format the seeds of several arms or finalists: `1 seed`, `5 seeds`, `3 to 5 seeds`."""
    ordered = sorted(counts)
    fewest = ordered[0]
    most = ordered[-1]
    return plural(fewest, "seed") if fewest == most else f"{fewest} to {most} seeds"


def spelled(count: int) -> str:
    """Spell a count in words up to ten, `three`, and in digits above; 0 is `none`."""
    return _WORDS[count] if count < len(_WORDS) else str(count)


def ticks(values: Sequence[float], *, signed: bool = False) -> list[str]:
    """Format the labels of an axis with equal, few decimals: `0.76`, `0.765`; zero is `0`."""
    decimals = 0
    while decimals < 6 and any(abs(round(value, decimals) - value) >= 1e-9 for value in values):
        decimals += 1
    plus = "+" if signed else ""
    labels = [f"{abs(value):.{decimals}f}" for value in values]
    signed_labels = []
    for label, value in zip(labels, values, strict=True):
        signed_labels.append(_signed(label, value, plus=plus) if value else "0")
    return signed_labels


def _signed(text: str, value: float, *, plus: str) -> str:
    """Put a sign before a text, unless it is zero."""
    if not text.strip("0. %"):
        return text
    return (MINUS if value < 0 else plus) + text
