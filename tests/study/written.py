"""Studies as text: written to the current folder and loaded, or refused."""

from pathlib import Path

import pytest

from hinet_search.common.errors import ConfigurationError
from hinet_search.study.load_study import ResolvedStudy, load_study

DATA = """\
data:
  source: {kind: synthetic}
  scenario: {column: scenario}
  tasks: {click: {column: click}, order: {column: order}}
  features: {categorical: [user_id]}
  split: {by: random}
"""
SMALL = DATA + "arms: {mmoe: , shared_bottom: }\n"


def load(text: str, **others: str) -> ResolvedStudy:
    """Writes files and loads the first: `load("text of s.yaml", data="text of data.yaml")`."""
    for name, content in {"s": text, **others}.items():
        Path(f"{name}.yaml").write_text(content, encoding="utf-8")
    return load_study("s.yaml")


def refusal(text: str, **others: str) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        load(text, **others)
    return caught.value.problems
