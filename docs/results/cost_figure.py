"""Draw the cost of a step against the number of scenarios.

`python docs/results/cost_figure.py RESULT.json FIGURE.svg`

The file is one of benchmarks/results/; every form of SAN is a line, with its name at its end.
"""

import json
import sys
from collections.abc import Sequence
from itertools import cycle, groupby
from pathlib import Path
from typing import Any

WIDTH, HEIGHT = 790, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 220, 30, 50
COLOURS = ("#1f4e79", "#b5541c", "#3b7a57", "#7a3b6e")
TEXT = 'font-family="system-ui, sans-serif" font-size="14" fill="#333"'
LABEL_GAP = 18


def drawing(figures: Sequence[dict[str, Any]]) -> str:
    """The figures of `bench_scenarios.py` as SVG."""
    most_scenarios = max(figure["num_scenarios"] for figure in figures)
    tick = _tick(max(figure["milliseconds"] for figure in figures))
    top = tick * -(-max(figure["milliseconds"] for figure in figures) // tick)

    def x(scenarios: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * scenarios / most_scenarios

    def y(milliseconds: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * milliseconds / top

    parts = [f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>']
    for step in range(int(top // tick) + 1):
        at, label = y(step * tick), f"{step * tick:,.0f}"
        parts += [
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}" stroke="#ddd"/>',
            f'<text x="{LEFT - 8}" y="{at + 5:.1f}" text-anchor="end" {TEXT}>{label}</text>',
        ]
    for scenarios in sorted({figure["num_scenarios"] for figure in figures}):
        parts.append(
            f'<text x="{x(scenarios):.1f}" y="{HEIGHT - BOTTOM + 22}" text-anchor="middle" {TEXT}>'
            f"{scenarios}</text>"
        )
    parts.append(f'<text x="{LEFT - 50}" y="{TOP - 10}" {TEXT}>ms a step</text>')
    parts.append(
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end" {TEXT}>'
        "number of scenarios</text>"
    )
    lines = [
        (form, list(points)) for form, points in groupby(figures, key=lambda figure: figure["form"])
    ]
    ends = _apart([y(points[-1]["milliseconds"]) for _, points in lines])
    for (form, points), colour, end in zip(lines, cycle(COLOURS), ends):
        name = f"{form}, {points[-1]['milliseconds']:,.0f} ms"
        style = TEXT.replace("#333", colour)
        path = " ".join(
            f"{x(point['num_scenarios']):.1f},{y(point['milliseconds']):.1f}" for point in points
        )
        parts += [
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5"/>',
            f'<text x="{WIDTH - RIGHT + 10}" y="{end + 5:.1f}" {style}>{name}</text>',
        ]
    body = "\n".join(parts)
    title = (
        "<title>Milliseconds of a training step of HiNet against the number of scenarios</title>"
    )
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {box}>\n{title}\n{body}\n</svg>\n'


def _tick(largest: float) -> float:
    """A round distance of lines, of which three to eight are drawn."""
    size = 10 ** (len(str(int(largest))) - 1)
    return next(size * part for part in (0.2, 0.5, 1, 2) if largest / (size * part) <= 8)


def _apart(places: Sequence[float]) -> list[float]:
    """Labels moved upwards until none covers another."""
    moved: dict[int, float] = {}
    free = float(HEIGHT)
    for number in sorted(range(len(places)), key=lambda number: -places[number]):
        moved[number] = min(places[number], free)
        free = moved[number] - LABEL_GAP
    return [moved[number] for number in range(len(places))]


if __name__ == "__main__":
    result, figure = map(Path, sys.argv[1:3])
    measured = json.loads(result.read_text(encoding="utf-8"))
    if "scenarios" not in measured:
        sys.exit(
            f"{result}: must hold the part 'scenarios'; run benchmarks/run.py --only scenarios"
        )
    figure.write_text(drawing(measured["scenarios"]), encoding="utf-8")
