"""Displayed: a fake of IPython that records what a notebook would show."""

import sys
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace

import pytest


@dataclass
class Displayed:
    """Everything shown so far; each output is the list of its versions, as HTML."""

    outputs: list[list[str]] = field(default_factory=list)

    def display(self, bundle: dict[str, str], *, raw: bool, display_id: bool) -> SimpleNamespace:
        assert raw
        assert display_id
        versions = [bundle["text/html"]]
        self.outputs.append(versions)
        return SimpleNamespace(update=lambda bundle, raw: versions.append(bundle["text/html"]))


def in_a_notebook(patch: pytest.MonkeyPatch, **shell: object) -> Displayed:
    """Let this process be the kernel of a notebook, or a shell with other attributes."""
    displayed = Displayed()
    ipython, module = ModuleType("IPython"), ModuleType("IPython.display")
    ipython.get_ipython = lambda: SimpleNamespace(**(shell or {"kernel": object()}))  # type: ignore[attr-defined]
    ipython.display = module  # type: ignore[attr-defined]
    module.display = displayed.display  # type: ignore[attr-defined]
    patch.setitem(sys.modules, "IPython", ipython)
    patch.setitem(sys.modules, "IPython.display", module)
    return displayed
