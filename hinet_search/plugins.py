"""Plug-ins: a file's name is the plug-in's name, so adding one is adding one file.

Names are listed from the folder, never by importing, so that listing stays cheap. Code of another package is imported
only where whoever started the process named the package: a study or a database alone cannot make anything run.
"""

import importlib
import pkgutil
import re
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from hinet_search.errors import ConfigurationError, did_you_mean

_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_allowed: list[str] = []


def names(package: str) -> tuple[str, ...]:
    """Names of the plug-ins in `package` (say `hinet_search.models`), sorted, without importing them."""
    folder = Path(__file__).parent.joinpath(*package.split(".")[1:])
    return tuple(sorted(found.name for found in pkgutil.iter_modules([str(folder)]) if not found.name.startswith("_")))


def allow_only(packages: Sequence[str]) -> None:
    """From now on, in this process, modules of these packages and no others may be plug-ins beside our own."""
    for package in packages:
        if not _DOTTED.fullmatch(package):
            raise ConfigurationError(
                f"--plugin must be the dotted name of a package, got {package!r}", remedy="say --plugin my_lab.models"
            )
    _allowed[:] = packages


def allowed() -> tuple[str, ...]:
    """What `allow_only` was told: a job takes it along to the process that runs it."""
    return tuple(_allowed)


def load(package: str, name: str) -> ModuleType:
    """The module of plug-in `name`, or of a dotted name that is allowed; else ConfigurationError names the known ones."""
    known = names(package)
    if name in known:
        return importlib.import_module(f"{package}.{name}")
    if _DOTTED.fullmatch(name) and any(name == one or name.startswith(f"{one}.") for one in _allowed):
        return _of_another_package(name)
    kind = package.rsplit(".", 1)[-1].rstrip("s")
    raise ConfigurationError(
        f"{kind} '{name}' is not known, must be one of {', '.join(known)}{did_you_mean(name, known)}{_how_to_allow(name)}"
    )


def _of_another_package(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigurationError(
            f"plug-in {name} cannot be imported: {error}",
            remedy="install its package, or put the folder that holds it into PYTHONPATH",
        ) from error


def _how_to_allow(name: str) -> str:
    package = name.rpartition(".")[0]
    return f", or of a package that is allowed: --plugin {package}" if package and _DOTTED.fullmatch(name) else ""
