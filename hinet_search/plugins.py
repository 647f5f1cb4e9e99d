"""Plug-ins: a file's name is the plug-in's name, so adding one is adding one file.

Names are listed from the folder, never by importing, so that listing stays cheap.
"""

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

from hinet_search.errors import ConfigurationError, did_you_mean


def names(package: str) -> tuple[str, ...]:
    """Names of the plug-ins in `package` (say `hinet_search.models`), sorted, without importing them."""
    folder = Path(__file__).parent.joinpath(*package.split(".")[1:])
    return tuple(sorted(found.name for found in pkgutil.iter_modules([str(folder)]) if not found.name.startswith("_")))


def load(package: str, name: str) -> ModuleType:
    """The module of plug-in `name`; ConfigurationError names the known ones when there is none."""
    known = names(package)
    if name not in known:
        kind = package.rsplit(".", 1)[-1].rstrip("s")
        raise ConfigurationError(
            f"{kind} '{name}' is not known, must be one of {', '.join(known)}{did_you_mean(name, known)}"
        )
    return importlib.import_module(f"{package}.{name}")
