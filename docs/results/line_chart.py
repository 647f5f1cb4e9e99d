"""A line chart as SVG, with the name of each line at its end: for the figures of the docs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

WIDTH, HEIGHT = 790, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 220, 30, 50
COLOURS = ("#1f4e79", "#b5541c", "#3b7a57", "#7a3b6e", "#8a6d1f", "#5b6770", "#a03d55", "#2f7f8c")
TEXT = 'font-family="system-ui, sans-serif" font-size="14" fill="#333"'
LABEL_GAP = 18


@dataclass(frozen=True)
class Axis:
    """An axis from 0 to `end`: its title, and its ticks with what is written at them."""

    title: str
    end: float
    ticks: Mapping[float, str]


def line_chart(
    title: str, x_axis: Axis, y_axis: Axis, lines: Mapping[str, Sequence[tuple[float, float]]]
) -> str:
    """Draw lines of (x, y); their names stand beside their last points, moved apart."""

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * value / x_axis.end

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / y_axis.end

    parts = [f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>']
    for tick, label in y_axis.ticks.items():
        at = y(tick)
        parts += [
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}" stroke="#ddd"/>',
            f'<text x="{LEFT - 8}" y="{at + 5:.1f}" text-anchor="end" {TEXT}>{label}</text>',
        ]
    for tick, label in x_axis.ticks.items():
        parts.append(
            f'<text x="{x(tick):.1f}" y="{HEIGHT - BOTTOM + 22}" text-anchor="middle" {TEXT}>'
            f"{label}</text>"
        )
    parts.append(f'<text x="{LEFT - 50}" y="{TOP - 10}" {TEXT}>{y_axis.title}</text>')
    parts.append(
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" text-anchor="end" {TEXT}>{x_axis.title}</text>'
    )
    ends = _apart([y(points[-1][1]) for points in lines.values()])
    for (name, points), colour, end in zip(lines.items(), cycle(COLOURS), ends):
        style = TEXT.replace("#333", colour)
        path = " ".join(f"{x(across):.1f},{y(up):.1f}" for across, up in points)
        parts += [
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2.5"/>',
            f'<text x="{WIDTH - RIGHT + 10}" y="{end + 5:.1f}" {style}>{name}</text>',
        ]
    body = "\n".join(parts)
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {box}>\n<title>{title}</title>'
    return f"{head}\n{body}\n</svg>\n"


def _apart(places: Sequence[float]) -> list[float]:
    """Labels moved upwards until none covers another."""
    moved: dict[int, float] = {}
    free = float(HEIGHT)
    for number in sorted(range(len(places)), key=lambda number: -places[number]):
        moved[number] = min(places[number], free)
        free = moved[number] - LABEL_GAP
    return [moved[number] for number in range(len(places))]
