"""Notebook: whether this process runs one, and HTML that is shown below its cell."""

import sys
from types import ModuleType
from typing import Any


def is_running() -> bool:
    """Whether this process is the kernel of a notebook; IPython in a terminal is none."""
    ipython: ModuleType | None = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and hasattr(shell, "kernel")


class CellOutput:
    """HTML below the cell that runs now, which `update` replaces; `text` stands for it elsewhere.

    It is shown with plain messages of Jupyter, for which a frontend needs no extension.
    """

    def __init__(self, html: str, text: str) -> None:
        from IPython import display

        show: Any = display.display  # has no types
        self._handle = show(_bundle(html, text), raw=True, display_id=True)

    def update(self, html: str, text: str) -> None:
        """Show other HTML in its place."""
        self._handle.update(_bundle(html, text), raw=True)


def _bundle(html: str, text: str) -> dict[str, str]:
    return {"text/html": html, "text/plain": text}
