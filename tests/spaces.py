"""Small spaces in files of the current folder, for tests."""

from pathlib import Path

from hinet_search.study.search_space import SearchSpace, load_space

PARENTS = """\
parameters:
  child: {kind: int, low: 1, high: 9, default: 5, when: parent}
  grandchild: {kind: float, low: 0, high: 1, default: 0.5, when: {child: [4, 5]}}
  parent: {kind: categorical, choices: [true, false], default: true}
"""


def space_with_x(distribution: str) -> str:
    """A space with one parameter `x`."""
    return f"parameters:\n  x: {{{distribution}}}\n"


WIDTHS = space_with_x("kind: widths, choices: {none: [], '64-32': [64, 32]}, default: none")


def load(text: str, **others: str) -> SearchSpace:
    """Write files and load the first: `load("text of a.yaml", b="text of b.yaml")`."""
    for name, content in {"a": text, **others}.items():
        Path(f"{name}.yaml").write_text(content, encoding="utf-8")
    return load_space("a.yaml")
