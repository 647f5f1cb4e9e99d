"""The palette: contrast of text on every background, light and dark, by WCAG 2.2."""

import re
from pathlib import Path

import pytest

from hinet_search.report import page

Color = tuple[float, float, float]

STYLE = (Path(page.__file__).parent / "templates" / "style.css").read_text(encoding="utf-8")
LIGHT, DARK = (
    dict(re.findall(r"--([a-z]+):(#[0-9a-f]{3,6}|\d+,\d+,\d+)", STYLE.splitlines()[line]))
    for line in (0, 2)
)
TEXT_ON = [
    ("ink", "bg"),
    ("ink", "soft"),
    ("mut", "bg"),
    ("win", "bg"),
    ("win", "soft"),
    ("loss", "bg"),
    ("tie", "bg"),
    ("mut", "soft"),
]
TINTS = [
    (name, float(f"0{opacity}"))
    for name, opacity in re.findall(
        r"\.[pq]\d\{background:rgba\(var\(--([pq])\),(\.\d+)\)\}", STYLE
    )
]


def color(text: str) -> Color:
    if text.startswith("#"):
        digits = text[1:] if len(text) == 7 else "".join(2 * digit for digit in text[1:])
        return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)
    red, green, blue = (int(part) for part in text.split(","))
    return red, green, blue


def over(top: Color, ground: Color, opacity: float) -> Color:
    red, green, blue = (opacity * t + (1 - opacity) * g for t, g in zip(top, ground, strict=True))
    return red, green, blue


def luminance(of: Color) -> float:
    linear = [
        part / 255 / 12.92 if part / 255 <= 0.04045 else ((part / 255 + 0.055) / 1.055) ** 2.4
        for part in of
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: Color, second: Color) -> float:
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_black_on_white_has_the_largest_contrast() -> None:
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "ground"), TEXT_ON)
def test_text_stands_out_from_its_ground(palette: dict[str, str], text: str, ground: str) -> None:
    assert contrast(color(palette[text]), color(palette[ground])) >= 4.5


def test_there_are_four_tints_of_each_color() -> None:
    assert sorted(name for name, _ in TINTS) == ["p"] * 4 + ["q"] * 4


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("name", "opacity"), [*TINTS, ("p", 0.55)])
def test_ink_stands_out_from_every_tint(palette: dict[str, str], name: str, opacity: float) -> None:
    ground = over(color(palette[name]), color(palette["bg"]), opacity)
    assert contrast(color(palette["ink"]), ground) >= 4.5


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(("text", "opacity"), [("ink", 0.14), ("loss", 0.1)])
def test_warnings_stand_out_from_their_ground(
    palette: dict[str, str], text: str, opacity: float
) -> None:
    ground = over(color(palette["q"]), color(palette["bg"]), opacity)
    assert contrast(color(palette[text]), ground) >= 4.5


def test_the_dark_palette_is_the_same_by_preference_and_by_button() -> None:
    lines = STYLE.splitlines()
    assert re.findall(r"\{(--bg[^}]*)\}", lines[1]) == re.findall(r"\{(--bg[^}]*)\}", lines[2])
