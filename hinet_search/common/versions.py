"""Versions: what a model's numbers depend on, Python, libraries, and the commit of a checkout."""

import platform
import shutil
import subprocess
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

LIBRARIES = ("hinet-search", "torch", "optuna", "polars", "numpy", "lightgbm")


def versions() -> Mapping[str, str]:
    """Return the versions that a study's numbers depend on: Python, libraries, and our commit."""
    known = {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}
    commit = _git_commit()
    return {**known, "git commit": commit} if commit else known


def _git_commit() -> str:
    """Return the commit of the checkout that this package runs from; empty when it is installed."""
    root = Path(__file__).resolve().parents[2]
    git = shutil.which("git")
    if git is None or not (root / ".git").exists():
        return ""
    result = subprocess.run(
        [git, "-C", str(root), "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    return result.stdout.strip()
