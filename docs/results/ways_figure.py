"""Draw what ways to a model reach against what they cost to make and to serve.

`python docs/results/ways_figure.py NAME FIGURE.svg` reads docs/results/data/NAME.json, written by
`ways.py`. Every data set is a row of two panels; points have the numbers of the list below them.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from pathlib import Path
from statistics import fmean

from line_chart import COLOURS, TEXT
from result_files import WayResult, read

WIDTH, PANEL, GAP, LEFT, TOP, LIST = 790, 170, 60, 60, 40, 24
RADIUS = 9
ROLES = (  # of the ways of a data set, by a word of their names
    ("HiNet, default", "HiNet, default"),
    ("HiNet, searched", "HiNet, searched"),
    ("Taught", "best student of all finalists"),
    ("ensemble", "ensemble"),
    ("LightGBM, default", "LightGBM, default"),
    ("LightGBM, tuned", "LightGBM, tuned"),
    ("searched", "best other arm, searched"),
)


@dataclass(frozen=True)
class _Panel:
    """The place of a panel and its ranges: log10 of the cost, and AUC."""

    left: float
    top: float
    costs: tuple[int, int]
    values: tuple[float, float]

    def x(self, cost: float) -> float:
        low, high = self.costs
        width = (WIDTH - LEFT) / 2 - GAP
        return self.left + width * (log10(cost) - low) / (high - low)

    def y(self, value: float) -> float:
        low, high = self.values
        return self.top + PANEL * (high - value) / (high - low)


def drawing(ways: Sequence[WayResult], names: Mapping[str, str]) -> str:
    """The figure as SVG; `names` are those of the data sets, by study."""
    parts: list[str] = []
    top = TOP
    for study, name in names.items():
        of_study = [way for way in ways if way.study == study]
        parts.append(f'<text x="{LEFT}" y="{top - 12}" {TEXT} font-weight="600">{name}</text>')
        parts += _panel(of_study, LEFT, top, lambda way: way.seconds, "seconds of training")
        middle = LEFT + (WIDTH - LEFT) / 2
        parts += _panel(
            of_study, middle, top, lambda way: way.milliseconds_per_100, "ms to score 100 rows"
        )
        top += PANEL + GAP + TOP
    roles = sorted({_role(way.name) for way in ways})
    parts += [_listed(role, top + LIST * line) for line, role in enumerate(roles)]
    height = top + LIST * len(roles)
    title = "AUC on validation against the cost of making and of serving a model"
    box = f'viewBox="0 0 {WIDTH} {height}" role="img"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {box}>\n<title>{title}</title>'
    background = f'<rect width="{WIDTH}" height="{height}" fill="white"/>'
    return "\n".join([head, background, *parts, "</svg>"]) + "\n"


def _panel(
    ways: Sequence[WayResult],
    left: float,
    top: float,
    cost: Callable[[WayResult], float | None],
    label: str,
) -> list[str]:
    costs = {way.name: known for way in ways if (known := cost(way))}
    values = {way.name: fmean(way.valid) for way in ways}
    panel = _Panel(left, top, _decades(list(costs.values())), _range(list(values.values())))
    parts = [*_grid(panel), _label(panel, label)]
    for name, known in costs.items():
        parts += _point(_role(name), panel.x(known), panel.y(values[name]))
    return parts


def _decades(costs: Sequence[float]) -> tuple[int, int]:
    return floor(log10(min(costs))), ceil(log10(max(costs)))


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Values rounded outwards to .005."""
    step = 0.005
    return floor(min(values) / step) * step, ceil(max(values) / step) * step


def _grid(panel: _Panel) -> list[str]:
    """Lines at every decade and at the ends and the middle of the values, with their numbers."""
    parts = []
    low, high = panel.costs
    right = panel.x(10.0**high)
    for value in (panel.values[0], sum(panel.values) / 2, panel.values[1]):
        y = panel.y(value)
        text = f"{value:.4f}".lstrip("0")
        parts.append(
            f'<line x1="{panel.left}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>'
            f'<text x="{panel.left - 6}" y="{y + 5:.1f}" text-anchor="end" {TEXT}>{text}</text>'
        )
    for decade in range(low, high + 1):
        x = panel.x(10.0**decade)
        text = f"{10**decade:,}" if decade >= 0 else f"{10.0**decade:g}".lstrip("0")
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{panel.top}" y2="{panel.top + PANEL}" '
            f'stroke="#eee"/><text x="{x:.1f}" y="{panel.top + PANEL + 18}" '
            f'text-anchor="middle" {TEXT}>{text}</text>'
        )
    return parts


def _label(panel: _Panel, label: str) -> str:
    right = panel.x(10.0 ** panel.costs[1])
    below = panel.top + PANEL + 38
    return f'<text x="{right:.1f}" y="{below}" text-anchor="end" {TEXT}>{label}</text>'


def _role(name: str) -> int:
    return next(number for number, (part, _) in enumerate(ROLES) if part in name)


def _point(role: int, x: float, y: float) -> list[str]:
    small = 'font-family="system-ui, sans-serif" font-size="12" fill="#fff"'
    return [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{RADIUS}" fill="{COLOURS[role]}"/>',
        f'<text x="{x:.1f}" y="{y + 4:.1f}" text-anchor="middle" {small}>{role + 1}</text>',
    ]


def _listed(role: int, y: float) -> str:
    text = f'<text x="{LEFT + 20}" y="{y + 5:.1f}" {TEXT}>{ROLES[role][1]}</text>'
    return "".join([*_point(role, LEFT, y), text])


if __name__ == "__main__":
    result, figure = sys.argv[1], Path(sys.argv[2])
    measured = read(result).ways
    studies = {way.study: way.study.split("-")[2] for way in measured}
    figure.write_text(drawing(measured, studies), encoding="utf-8")
