"""Models do not import one another: any of them is understood, and removed, alone."""

import ast
from pathlib import Path

import pytest

from hinet_search import models
from hinet_search.common.plugins import names

PACKAGE = "hinet_search.models"


def imported(file: Path) -> set[str]:
    """The modules that a file imports from, each with its parts."""
    nodes = list(ast.walk(ast.parse(file.read_text())))
    direct = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    froms = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    parts = {f"{node.module}.{alias.name}" for node in froms for alias in node.names}
    return direct | {str(node.module) for node in froms} | parts


@pytest.mark.parametrize("model", names(PACKAGE))
def test_a_model_imports_no_other_model(model: str) -> None:
    others = {f"{PACKAGE}.{name}" for name in names(PACKAGE)} - {f"{PACKAGE}.{model}"}
    assert models.__file__ is not None
    assert not imported(Path(models.__file__).parent / f"{model}.py") & others
