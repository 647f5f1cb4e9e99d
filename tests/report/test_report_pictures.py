"""Pictures of the documentation: one command takes them from any report, light and dark."""

import struct
import subprocess
import sys
from pathlib import Path

import pytest

from hinet_search.report.page import render
from tests.report.nine_arms import nine_arms

ROOT = Path(__file__).parent.parent.parent
PICTURES = ROOT / "docs" / "pictures"
NAMES = ("report.png", "report-dark.png")


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_of_the_documentation_is_small_and_of_one_screen(name: str) -> None:
    content = (PICTURES / name).read_bytes()
    assert len(content) < 150_000
    assert struct.unpack(">II", content[16:24]) == (1280, 900)


@pytest.mark.browser
def test_one_command_takes_both_pictures_of_a_report(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_text(render(nine_arms()), encoding="utf-8")
    words = [sys.executable, ROOT / "docs" / "pictures.py", page, tmp_path]
    output = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    light, dark = ((tmp_path / name).read_bytes() for name in NAMES)
    assert light[:4] == dark[:4] == b"\x89PNG"
    assert light != dark
    assert output.count("wrote ") == 2


@pytest.mark.browser
def test_one_command_writes_the_example_of_the_site_from_a_stored_study(tmp_path: Path) -> None:
    words = [sys.executable, ROOT / "docs" / "pictures.py", "example", tmp_path]
    subprocess.run(words, cwd=ROOT, capture_output=True, check=True)
    assert "HiNet" in (tmp_path / "example.html").read_text(encoding="utf-8")
    assert len(list((tmp_path / "example-cards").glob("*.png"))) > 5
