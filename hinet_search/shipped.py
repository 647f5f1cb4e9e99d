"""Shipped files: finds a study or space by name: as a path, in ./studies or ./spaces, then among the shipped ones."""

from collections.abc import Callable
from pathlib import Path

from hinet_search.errors import ConfigurationError, did_you_mean

SHARED = "data"
_PACKAGE = Path(__file__).parent


def shipped_folder(kind: str) -> Path:
    """The folder of shipped `studies` or `spaces`: inside the wheel, or beside the package in a checkout."""
    installed = _PACKAGE / "shipped_files" / kind
    return installed if installed.is_dir() else _PACKAGE.parent / kind


def find(kind: str, name: str, beside: Path | None = None, where: str = "") -> Path:
    """The file that `name` means; ConfigurationError begins with `where` and names the known ones.

    Order: a path as given; a path beside `beside` (the file that names it); ./KIND/NAME.yaml; shipped NAME.yaml.
    """
    places = _places(kind, name, beside)
    for place in places:
        if _is(Path.is_file, place):
            return place
    known = known_names(kind)
    singular = "study" if kind == "studies" else kind.rstrip("s")
    why = _what_else(name, beside) or (
        f"looked at {', '.join(str(place) for place in places)}{did_you_mean(Path(name).stem, known)}"
    )
    raise ConfigurationError(
        f"{where}{': ' if where else ''}there is no {singular} '{name}': {why}", remedy=f"known: {', '.join(known)}"
    )


def _what_else(name: str, beside: Path | None) -> str:
    """What stands at the path `name` in place of a YAML file; empty when nothing does."""
    for path in (Path(name), *([beside / name] if beside else [])):
        if name and _is(Path.is_dir, path):
            return "must be a YAML file, got a folder"
        if _is(Path.is_file, path):
            return "must be a YAML file (.yaml or .yml), got another kind of file"
    return ""


def is_known(kind: str, name: str, beside: Path | None = None) -> bool:
    """Whether `find` would find it."""
    return any(_is(Path.is_file, place) for place in _places(kind, name, beside))


def shadowed(kind: str, name: str, beside: Path | None = None) -> tuple[Path, Path] | None:
    """The file that `name` means and the shipped one that it stands in front of; None where it hides nothing."""
    places = [place for place in _places(kind, name, beside) if _is(Path.is_file, place)]
    shipped = shipped_folder(kind).resolve()
    hidden = [place for place in places[1:] if place.resolve().is_relative_to(shipped)]
    return (places[0], hidden[-1]) if hidden and not places[0].samefile(hidden[-1]) else None


def _places(kind: str, name: str, beside: Path | None) -> list[Path]:
    given = Path(name)
    file_name = name if given.suffix in (".yaml", ".yml") else f"{name}.yaml"
    places = [given] if given.suffix in (".yaml", ".yml") else []
    places += [beside / file_name] if beside else []
    return list(dict.fromkeys([*places, Path(kind) / file_name, shipped_folder(kind) / file_name]))


def _is(kind: Callable[[Path], bool], path: Path) -> bool:
    try:
        return kind(path)
    except OSError:  # a name too long for the file system, or a folder that may not be read
        return False


def known_names(kind: str) -> list[str]:
    """Names in ./KIND and among the shipped files, with their folder; `data/` holds what studies share, not studies."""
    folders = (Path(kind), shipped_folder(kind))
    found = [file.relative_to(folder) for folder in folders if folder.is_dir() for file in folder.rglob("*.yaml")]
    return sorted({file.with_suffix("").as_posix() for file in found if file.parts[0] != SHARED})
