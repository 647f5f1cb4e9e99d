"""Draw the cost of a step against the number of scenarios.

`python docs/results/cost_figure.py RESULT.json FIGURE.svg`

The file is one of benchmarks/results/; every form of SAN is a line, with its name at its end.
"""

import json
import sys
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from line_chart import Axis, line_chart

TITLE = "Milliseconds of a training step of HiNet against the number of scenarios"


def drawing(figures: Sequence[dict[str, Any]]) -> str:
    """The figures of `bench_scenarios.py` as SVG."""
    scenarios = sorted({figure["num_scenarios"] for figure in figures})
    largest = max(figure["milliseconds"] for figure in figures)
    tick = _tick(largest)
    num_ticks = int(-(-largest // tick))
    ticks = {number * tick: f"{number * tick:,.0f}" for number in range(num_ticks + 1)}
    lines = {}
    for form, grouped in groupby(figures, key=lambda figure: figure["form"]):
        points = [(figure["num_scenarios"], figure["milliseconds"]) for figure in grouped]
        lines[f"{form}, {points[-1][1]:,.0f} ms"] = points
    across = Axis("number of scenarios", scenarios[-1], {each: str(each) for each in scenarios})
    return line_chart(TITLE, across, Axis("ms a step", num_ticks * tick, ticks), lines)


def _tick(largest: float) -> float:
    """A round distance of lines, of which three to eight are drawn."""
    size = 10 ** (len(str(int(largest))) - 1)
    return next(size * part for part in (0.2, 0.5, 1, 2) if largest / (size * part) <= 8)


if __name__ == "__main__":
    result, figure = map(Path, sys.argv[1:3])
    measured = json.loads(result.read_text(encoding="utf-8"))
    if "scenarios" not in measured:
        sys.exit(
            f"{result}: must hold the part 'scenarios'; run benchmarks/run.py --only scenarios"
        )
    figure.write_text(drawing(measured["scenarios"]), encoding="utf-8")
