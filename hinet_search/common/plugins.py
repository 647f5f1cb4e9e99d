"""Plug-ins: find plug-ins by file name, so that adding one is adding one file.

Names are listed from the folder, never by importing, so that listing stays cheap. Code of another
package is imported only if the user named the package when starting the process: a study file or a
database alone cannot make any code run.
"""

import importlib
import pkgutil
import re
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from hinet_search.common.errors import ConfigurationError, gone_or_similar, shortened

_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_allowed: list[str] = []


def names(package: str) -> tuple[str, ...]:
    """Return the sorted names of the plug-ins in `package`, such as `hinet_search.models`.

    None is imported.
    """
    folder = Path(__file__).parents[1].joinpath(*package.split(".")[1:])
    return _modules(folder, folder.stat().st_mtime_ns)


@lru_cache(maxsize=64)  # a check asks for the models thousands of times
def _modules(folder: Path, _changed: int) -> tuple[str, ...]:
    """List the modules of a folder, once for each time at which it was changed."""
    modules = [module for module in pkgutil.iter_modules([str(folder)]) if not module.ispkg]
    return tuple(sorted(module.name for module in modules if not module.name.startswith("_")))


def allow_only(packages: Sequence[str]) -> None:
    """Allow modules of exactly these packages as plug-ins beside our own, in this process."""
    for package in packages:
        if not _DOTTED.fullmatch(package):
            raise ConfigurationError(
                f"--plugin must be the dotted name of a package, got {package!r}",
                remedy="say --plugin my_lab.models",
            )
    _allowed[:] = packages


def allowed() -> tuple[str, ...]:
    """Return the allowed packages; a job carries them to the process that runs it."""
    return tuple(_allowed)


def load(package: str, name: str) -> ModuleType:
    """Import plug-in `name`, or a module of an allowed package by its dotted name.

    Errors: ConfigurationError with the known names.
    """
    refuse_unknown(package, name)
    if name in names(package):
        return importlib.import_module(f"{package}.{name}")
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigurationError(
            f"plug-in {name} cannot be imported: {error}",
            remedy="install its package, or put the folder that holds it into PYTHONPATH",
        ) from error
    except (Exception, SystemExit) as error:  # whatever code of others does while it is imported
        raise ConfigurationError(
            f"plug-in {name} cannot be imported: {what_it_did(error)}",
            remedy="mend its package: importing it must only define things",
        ) from error


def refuse_unknown(package: str, name: str) -> None:
    """Raise ConfigurationError, without an import, if `load` knows no plug-in of the name."""
    known = names(package)
    if name in known or (_is_allowed(name) and _DOTTED.fullmatch(name)):
        return
    kind = re.sub("(?<=ss)es$|s$", "", package.rsplit(".", 1)[-1])
    raise ConfigurationError(
        f"{kind} '{name}' is not known, must be one of {', '.join(known)}"
        f"{gone_or_similar(name, known)}{_how_to_allow(name)}"
    )


def at_fault(error: BaseException) -> str:
    """Return the module of an allowed package whose code raised the error, or an empty text."""
    import traceback  # here, because only errors need it

    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    modules = [str(frame.f_globals.get("__name__", "")) for frame in frames]
    return next((name for name in reversed(modules) if _is_allowed(name)), "")


def _is_allowed(name: str) -> bool:
    return any(name == allowed or name.startswith(f"{allowed}.") for allowed in _allowed)


def what_it_did(error: BaseException) -> str:
    """`ValueError: no such column (wide.py:12)`: the error, and where it was raised."""
    import traceback

    if isinstance(error, SyntaxError):
        message = error.msg
        where = f"{Path(error.filename or '').name}:{error.lineno}"
    else:
        first_line, *_ = [*str(error).splitlines(), ""]
        frame = traceback.extract_tb(error.__traceback__)[-1]
        message = first_line
        where = f"{Path(frame.filename).name}:{frame.lineno}"
    if isinstance(error, SystemExit):
        return f"it ends the process, sys.exit({error.code!r:.40}) ({where})"
    return f"{type(error).__name__}: {shortened(message)} ({where})"


def _how_to_allow(name: str) -> str:
    package = name.rpartition(".")[0]
    if not package or not _DOTTED.fullmatch(name):
        return ""
    return f", or of a package that is allowed: --plugin {package}"
