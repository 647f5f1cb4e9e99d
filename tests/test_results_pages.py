"""The page of rivals says what spaces search."""

import re
from pathlib import Path

import pytest

from hinet_search.study.search_space import load_space

RESULTS = Path(__file__).parents[1] / "docs" / "results"


@pytest.mark.parametrize(
    "name", ["pepnet", "m3oe", "m2m", "hamur", "adasparse", "dcn_v2", "final_mlp"]
)
def test_the_page_of_rivals_says_what_is_searched_of_every_newer_model(name: str) -> None:
    page = (RESULTS / "rivals.md").read_text(encoding="utf-8")
    row = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
    said = set(re.findall(r"`([\w.]+)`", row)) - {name}
    own = {
        setting.removeprefix("model.")
        for setting in load_space(name).parameters
        if setting.startswith("model.")
    }
    assert said == own - {"embedding_dim"}
