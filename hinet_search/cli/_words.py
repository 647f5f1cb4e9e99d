"""Words: numbers as the command line prints them."""

from hinet_search.search.progress import value_text


def duration(seconds: float) -> str:
    """`58 s`, `9 m 12 s`, `6 h 41 m`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} m"


def count(number: float) -> str:
    """`812`, `24.1 k`, `1.92 M`."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= size:
            return f"{number / size:.3g} {unit}"
    return f"{number:.0f}"


def counted(number: float, one: str, many: str = "") -> str:
    """`1 trial`, `4 trials`, `2.5 passes`."""
    return f"{number:g} {one if number == 1 else many or f'{one}s'}"


def value_or_dash(value: float | None) -> str:
    """`.7123`, or a dash where there is none."""
    return "-" if value is None else value_text(value)
