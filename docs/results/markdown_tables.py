"""Tables of results pages in Markdown: numbers as pages write them, spreads over seeds, rows."""

from collections.abc import Sequence
from statistics import fmean, stdev


def number(value: float, *, signed: bool = False) -> str:
    """`.7123`, or `+.0012`."""
    text = f"{value:+.4f}" if signed else f"{value:.4f}"
    return text.replace("0.", ".", 1).replace("-", "−")


def spread(values: Sequence[float]) -> str:
    """Mean and standard deviation over seeds."""
    return (
        f"{number(fmean(values))} ± {number(stdev(values))}"
        if len(values) > 1
        else number(values[0])
    )


def line(cells: Sequence[str]) -> str:
    """One row of a table."""
    return f"| {' | '.join(cells)} |"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A whole table."""
    return [line(head), "|---" * len(head) + "|", *(line(row) for row in rows)]
