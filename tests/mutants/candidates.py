"""Which test files may notice a mutant of a module: those that mirror or name it, and those that import it, the fast and near ones first."""

import ast
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

from tests.groups import ALONE, SLOW

FAR = 4  # imports between a test and a module


class Candidates:
    """The test files of a checkout, and what they import."""

    def __init__(self, root: Path, without: list[str]) -> None:
        self.root = root
        self.files = sorted(
            name
            for path in root.glob("tests/**/test_*.py")
            if not matches(name := str(path.relative_to(root)), [*without, *ALONE])
        )

    def of(self, file: str, most: int) -> list[str]:
        """Return so many test files to try for a module, best first."""
        distances = self._distances(file)
        name = re.compile(rf"\b{re.escape(Path(file).stem)}\b")
        folder = file.split("/")[1]

        def rank(test: str) -> tuple[int, bool, int]:
            mirrored = 2 if Path(file).stem in Path(test).stem else 0
            mentioned = 1 if name.search(self._texts[test]) else 0
            slow = 2 if matches(test, SLOW) else 0
            distance = min(distances.get(test, FAR), FAR) - mirrored - mentioned + slow
            return distance, f"/{folder}/" not in test, len(self._texts[test])

        ranked = {test: rank(test) for test in self.files}
        near = [test for test in self.files if ranked[test][0] < FAR or not ranked[test][1]]
        return sorted(near, key=ranked.__getitem__)[:most]

    def _distances(self, file: str) -> dict[str, int]:
        """Return over how many imports each file reaches a module."""
        distances = {file: 0}
        border = [file]
        while border:
            importers = {
                importer for module in border for importer in self._importers.get(module, ())
            }
            distance = max(distances.values()) + 1
            border = sorted(importers - distances.keys())
            distances |= dict.fromkeys(border, distance)
        return distances

    @cached_property
    def _texts(self) -> dict[str, str]:
        return {test: (self.root / test).read_text(encoding="utf-8") for test in self.files}

    @cached_property
    def _importers(self) -> dict[str, set[str]]:
        """The files that import each module, by its file."""
        importers: dict[str, set[str]] = {}
        for folder in ("hinet_search", "tests"):
            for path in self.root.glob(f"{folder}/**/*.py"):
                importer = str(path.relative_to(self.root))
                for module in self._imported(path):
                    importers.setdefault(module, set()).add(importer)
                plug_ins = str(path.with_name("__init__.py").relative_to(self.root))
                importers.setdefault(importer, set()).add(plug_ins)  # it finds them by name
        return importers

    def _imported(self, path: Path) -> Iterator[str]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                dotted = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                dotted = [node.module, *[f"{node.module}.{alias.name}" for alias in node.names]]
            else:
                continue
            for name in dotted:
                for end in (".py", "/__init__.py"):
                    file = name.replace(".", "/") + end
                    if (self.root / file).is_file():
                        yield file


def matches(name: str, patterns: list[str] | tuple[str, ...]) -> bool:
    """Whether a file is one of those that the patterns name."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)
