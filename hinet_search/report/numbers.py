"""Numbers as the report writes them: at most four digits, a true minus, no leading zero, always a unit.

A missing number is a dash here; the place where it stands says why it is missing.
"""

from collections.abc import Iterable, Sequence
from math import floor, log10

from hinet_search.records import Scalar

DASH = "–"
MINUS = "−"
_SUFFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_WORDS = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def metric(value: float | None) -> str:
    """A value of a metric: `.7123`, `1.204` (log loss), `1.000`."""
    if value is None:
        return DASH
    rounded = round(abs(value), 4)
    decimals = 4 if rounded < 1 else max(0, 3 - floor(log10(rounded)))
    return _signed(f"{rounded:.{decimals}f}".removeprefix("0"), value, plus="")


def gain(value: float | None) -> str:
    """A gain, always signed: `+.0043`, `−.0034`; exactly zero after rounding has no sign."""
    return DASH if value is None else _signed(metric(abs(value)), value, plus="+")


def probability(value: float | None) -> str:
    """A p-value: `.0312`, `< .0001`."""
    return "< .0001" if value is not None and value < 0.0001 else metric(value)


def spread(value: float | None) -> str:
    """A standard deviation: `±.0006`; nothing with one seed."""
    return "" if value is None else f"±{metric(value)}"


def interval(low: float | None, high: float | None) -> str:
    """`+.0027 to +.0059`, or why there is none."""
    return "one seed, no interval" if low is None or high is None else f"{gain(low)} to {gain(high)}"


def compact(value: float) -> str:
    """A count with three digits: `412`, `8.11 M`, `13.1 k`."""
    for size, suffix in _SUFFIXES:
        if abs(value) >= size * 0.9995:
            return f"{_three_digits(value / size)} {suffix}"
    return _three_digits(value) if value != int(value) else str(int(value))


def ratio(value: float) -> str:
    """How many times as much: `.04`, `1.5`, `12`, `120`."""
    return f"{value:.2g}".removeprefix("0") if value < 99.5 else f"{float(f'{value:.2g}'):,.0f}"


def round_size(value: float) -> str:
    """A round count as an axis label: `1.5 M`, `20 k`."""
    for size, suffix in _SUFFIXES:
        if value >= size:
            return f"{value / size:g} {suffix}"
    return f"{value:g}"


def duration(seconds: float) -> str:
    """`0.4 s`, `45 s`, `9 m 12 s`, `2 h 3 m`, `3 d 4 h`."""
    if seconds == 0:
        return "0 s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, part, below in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if whole >= size:
            return f"{whole // size} {unit} {whole % size // part} {below}"
    return f"{whole} s"


def milliseconds(value: float) -> str:
    """`3.91 ms`, `.482 ms`, `1.20 s`: three digits."""
    if value >= 1000:
        return f"{_three_digits(value / 1000)} s"
    text = _three_digits(value) if value else "0"
    return f"{text.removeprefix('0') if value else text} ms"


def percent(share: float) -> str:
    """`4.1 %`, `41 %`, `.31 %`."""
    value = 100 * share
    text = f"{value:.0f}" if value >= 9.95 or value == 0 else f"{value:.1f}" if value >= 0.995 else f"{value:.2f}"
    return f"{text.removeprefix('0') if value else text} %"


def share(weight: float) -> str:
    """A weight of 0 to 1 with two digits: `.97`, `1.00`."""
    return f"{weight:.2f}".removeprefix("0")


def setting(value: Scalar) -> str:
    """A hyperparameter with at most three digits: `8.4e-4`, `.12`, `4096`, `true`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, float):
        return "none" if value is None else str(value)
    if value != 0 and not 0.001 <= abs(value) < 10_000:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa.removesuffix('.0')}e{int(exponent)}".replace("-", MINUS, 1 if value < 0 else 0)
    return _signed(f"{abs(value):.3g}".removeprefix("0") or "0", value, plus="")


def plural(count: float, noun: str) -> str:
    """`1 seed`, `5 seeds`, `0.5 passes`."""
    several = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{count:.15g} {noun if count == 1 else several}"


def seeds(counts: Iterable[int]) -> str:
    """How many seeds were run, when arms or finalists may differ: `1 seed`, `5 seeds`, `3 to 5 seeds`."""
    found = sorted(counts)
    return plural(found[0], "seed") if found[0] == found[-1] else f"{found[0]} to {found[-1]} seeds"


def spelled(count: int) -> str:
    """`three` up to ten, digits above, for running text; 0 is `none`."""
    return _WORDS[count] if count < len(_WORDS) else str(count)


def ticks(values: Sequence[float], *, signed: bool = False) -> list[str]:
    """Labels of one axis with equal decimals, as few as tell them apart: `.76`, `.765`; zero is `0`."""
    decimals = next((d for d in range(6) if all(abs(round(v, d) - v) < 1e-9 for v in values)), 6)
    written = [f"{abs(value):.{decimals}f}" for value in values]
    shortened = [
        text.removeprefix("0") if abs(value) < 1 else text for text, value in zip(written, values, strict=True)
    ]
    return [
        "0" if value == 0 else _signed(text, value, plus="+" if signed else "")
        for text, value in zip(shortened, values, strict=True)
    ]


def _three_digits(value: float) -> str:
    rounded = float(f"{value:.3g}")
    return f"{rounded:.{max(0, 2 - floor(log10(abs(rounded))))}f}"


def _signed(text: str, value: float, *, plus: str) -> str:
    if not text.strip("0."):
        return text
    return (MINUS if value < 0 else plus) + text
