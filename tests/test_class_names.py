"""Every class name is defined once in the package; plug-ins share the names of their contract."""

import ast
from collections import defaultdict
from pathlib import Path

import hinet_search

PACKAGE = Path(hinet_search.__file__).parent
CONTRACT = {
    "Config": {"models"},
    "Model": {"models"},
    "Options": {"data/sources", "executors"},
}


def folders_by_class() -> dict[str, list[str]]:
    """The folders of the files that define each class."""
    folders = defaultdict(list)
    for file in PACKAGE.rglob("*.py"):
        folder = file.parent.relative_to(PACKAGE).as_posix()
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef):
                folders[node.name].append(folder)
    return folders


def test_every_class_name_is_defined_once() -> None:
    folders = folders_by_class()
    repeated = {name for name, places in folders.items() if len(places) > 1}
    assert repeated - CONTRACT.keys() == set()


def test_the_names_of_a_plug_ins_contract_are_defined_by_plug_ins_alone() -> None:
    folders = folders_by_class()
    assert {name: set(folders[name]) for name in CONTRACT} == CONTRACT
