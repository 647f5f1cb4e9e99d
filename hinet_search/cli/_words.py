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


def ago(seconds: float) -> str:
    """`3 s ago`, `12 m ago`, `5 h ago`, `6 d ago`."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit} ago"
    return f"{max(seconds, 0):.0f} s ago"


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


def file_size(num_bytes: int) -> str:
    """`3 kB`, `0.8 MB`, `12.4 MB`."""
    return f"{num_bytes / 1e6:.1f} MB" if num_bytes >= 95_000 else f"{max(1, round(num_bytes / 1e3))} kB"


def gigabytes(num_bytes: float) -> str:
    """`0.03 GB`, `1.2 GB`, `21 GB`."""
    size = num_bytes / 1024**3
    return f"{size:.2f} GB" if size < 1 else f"{size:.1f} GB" if size < 10 else f"{size:.0f} GB"
