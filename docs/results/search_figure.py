"""Draw what searches lack to the best, over time, and tabulate their seconds to it.

`python docs/results/search_figure.py RESULT.json FIGURE.svg`

The file is written by `benchmarks/bench_search.py --to`. A line is the mean over tables of what the
best known configuration lacks, in units of what it lacks after a fortieth of the time at random.
Figure and first table are of one slot. The second table is of all numbers of slots, over the tables
that were replayed with each.
"""

import json
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from math import isinf
from pathlib import Path
from statistics import mean
from typing import Any

from line_chart import Axis, line_chart

TITLE = "What the best known configuration lacks over the time of a search, mean over tables"
DRAWN = (
    "random",
    "optuna tpe",
    "optuna gp",
    "syne tune asha",
    "smac",
    "ours, no portfolio",
    "ours",
    "ours, no pruner",
)
YARDSTICK, SCALE = "optuna tpe", "random"
SHARES = (0.15, 0.25, 0.5)  # of the time


def drawing(figures: Sequence[dict[str, Any]]) -> str:
    """The mean curves of some strategies as SVG."""
    curves = _curves(figures)
    lines = {name: curves[name] for name in DRAWN if name in curves}
    tenths = {tenth / 10: f"{tenth / 10:.1f}".lstrip("0") for tenth in range(2, 11, 2)}
    shares = {tenth / 10: f"{10 * tenth} %" for tenth in range(2, 11, 2)}
    return line_chart(TITLE, Axis("time", 1.0, shares), Axis("lacking", 1.0, tenths), lines)


def _curves(figures: Sequence[dict[str, Any]]) -> Mapping[str, list[tuple[float, float]]]:
    scales = {each["table"]: each["curve"][0] for each in figures if each["strategy"] == SCALE}
    by_strategy = defaultdict(list)
    for each in figures:
        if each["curve"]:
            scale = scales[each["table"]]
            by_strategy[each["strategy"]].append([value / scale for value in each["curve"]])
    return {
        name: [
            ((number + 1) / len(values[0]), mean(of_table[number] for of_table in values))
            for number in range(len(values[0]))
        ]
        for name, values in by_strategy.items()
    }


def table(figures: Sequence[dict[str, Any]]) -> str:
    """A row for every strategy: seconds to the target as multiples of TPE's, in every table."""
    tables = list(dict.fromkeys(each["table"] for each in figures))
    by_key = {(each["table"], each["strategy"]): each for each in figures}
    rows = [f"| strategy | {' | '.join(tables)} |", f"|---{'|---' * len(tables)}|"]
    for name in dict.fromkeys(each["strategy"] for each in figures):
        cells = [_cell(by_key.get((of, name)), by_key[of, YARDSTICK]["seconds"]) for of in tables]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _cell(figure: dict[str, Any] | None, base: float) -> str:
    """Return `.31, 5 %`: a multiple of the base, and the share of repeats that never arrive."""
    if figure is None or figure["failure"]:
        return ""
    ratio = "never" if isinf(figure["seconds"]) else f"{figure['seconds'] / base:.2f}".lstrip("0")
    return f"{ratio}, {figure['never']:.0%}" if figure["never"] else ratio


def by_slots(figures: Sequence[dict[str, Any]]) -> str:
    """A row for every strategy: what it lacks in the mean over tables, by slots and time."""
    tables_of = defaultdict(set)
    for each in figures:
        tables_of[each["slots"]].add(each["table"])
    numbers, tables = sorted(tables_of), set.intersection(*tables_of.values())
    columns = []
    for slots in numbers:
        chosen = [each for each in figures if each["slots"] == slots and each["table"] in tables]
        count = Counter(each["strategy"] for each in chosen)
        whole = [each for each in chosen if count[each["strategy"]] == len(tables)]
        columns.append({name: _after(curve) for name, curve in _curves(whole).items()})
    head = (f"{slots} slot{'s' if slots > 1 else ''}" for slots in numbers)
    rows = [f"| strategy | {' | '.join(head)} |", f"|---{'|---' * len(numbers)}|"]
    for name in dict.fromkeys(each["strategy"] for each in figures):
        cells = [column.get(name, "") for column in columns]
        if any(cells):
            rows.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _after(curve: Sequence[tuple[float, float]]) -> str:
    """Return `.31 / .23 / .09`: what is lacking after the SHARES of the time."""
    nearest = [min(curve, key=lambda point: abs(point[0] - share))[1] for share in SHARES]
    return " / ".join(f"{value:.2f}".lstrip("0") for value in nearest)


if __name__ == "__main__":
    result, figure = map(Path, sys.argv[1:3])
    measured = json.loads(result.read_text(encoding="utf-8"))["search"]
    of_one_slot = [each for each in measured if each["slots"] == 1]
    figure.write_text(drawing(of_one_slot), encoding="utf-8")
    print(table(of_one_slot))
    print(by_slots(measured))
