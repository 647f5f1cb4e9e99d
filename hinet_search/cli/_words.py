"""Words: numbers as the command line prints them."""


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


def auc(value: float | None) -> str:
    """`.7123`, or a dash where there is none."""
    if value is None:
        return "-"
    return f"{value:.4f}".removeprefix("0") if value >= 0 else f"{value:.4f}"
