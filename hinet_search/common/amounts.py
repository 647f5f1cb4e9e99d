"""Amounts: format counts, bytes, shares and durations with a unit, never with an exponent."""

_COUNTS = ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_BYTES = ((1e18, "EB"), (1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"))
KILOBYTE = 1e3
_DURATIONS = ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "m"), (60, "m", 1, "s"))


def compact(number: float) -> str:
    """Format a count: `412`, `13.1 k`, `8.11 M`; 999,600 is `1.00 M`."""
    for size, unit in _COUNTS:
        if rolls_over(number / size):
            return f"{three_digits(number / size)} {unit}"
    return str(int(number)) if number == int(number) else three_digits(number)


def byte_size(num_bytes: float) -> str:
    """Format bytes in units of 1,000: `3 kB`, `812 kB`, `1.40 MB`, `31.2 GB`.

    Less than 1 kB is `1 kB`, and 0 is `0 kB`.
    """
    for unit_size, unit in _BYTES:
        if rolls_over(num_bytes / unit_size):
            return f"{three_digits(num_bytes / unit_size)} {unit}"
    return f"{max(round(num_bytes / KILOBYTE), 1 if num_bytes else 0)} kB"


def counted(number: float, singular: str, plural: str = "") -> str:
    """Format a number with its noun: `1 trial`, `1,200 trials`, `2.5 epochs`."""
    return f"{plain(number)} {singular if number == 1 else plural or f'{singular}s'}"


def plain(number: float, decimals: int = 6) -> str:
    """Format a setting with no more decimals than it has: `2`, `2.5`, `10,000,000`."""
    text = f"{number:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if decimals else text


def mean_in_words(number: float) -> str:
    """Format a mean with four digits: `34.21`, `1,235`, `0.0042`."""
    return plain(float(f"{number:.4g}"))


def percent(share: float) -> str:
    """Format a share with two digits: `45 %`, `4.8 %`, `0.36 %`, `100 %`."""
    value = 100 * share
    if value >= 9.95 or value == 0:
        return f"{value:.0f} %"
    return f"{value:.1f} %" if value >= 0.995 else f"{value:.2f} %"


def duration(seconds: float) -> str:
    """Format a duration: `0.4 s`, `45 s`, `9 m 12 s`, `2 h 3 m`, `3 d 4 h`."""
    if seconds < 0.05:
        return "0 s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole_seconds = round(seconds)
    for size, unit, smaller_size, smaller_unit in _DURATIONS:
        if whole_seconds >= size:
            count, rest = divmod(whole_seconds, size)
            return f"{count} {unit} {rest // smaller_size} {smaller_unit}"
    return f"{whole_seconds} s"


def rolls_over(number: float) -> bool:
    """Return whether a number is large enough for its unit: 999.6 MB is written as 1.00 GB."""
    return abs(number) >= 0.9995


def three_digits(number: float) -> str:
    """Format a number with three digits: `1.92`, `13.1`, `412`."""
    rounded = abs(float(f"{number:.2e}"))
    if rounded < 10:
        return f"{number:.2f}"
    return f"{number:.1f}" if rounded < 100 else f"{number:.0f}"
