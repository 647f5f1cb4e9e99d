"""Find a study or space file by name: as a path, in ./studies or ./spaces, or as a shipped file."""

from pathlib import Path

from hinet_search.common.errors import ConfigurationError, did_you_mean
from hinet_search.common.files import is_a

SHARED = "data"
_PACKAGE = Path(__file__).parents[1]


def shipped_folder(kind: str) -> Path:
    """Return the folder of shipped `studies` or `spaces`.

    It is inside the wheel, or beside the package in a checkout.
    """
    installed = _PACKAGE / "shipped_files" / kind
    return installed if installed.is_dir() else _PACKAGE.parent / kind


def find(kind: str, name: str, beside: Path | None = None, where: str = "") -> Path:
    """Find the file of that name; ConfigurationError begins with `where` and lists known names.

    Order: a path as given; a path in the folder `beside` (of the file that names it);
    ./KIND/NAME.yaml; the shipped NAME.yaml.
    """
    places = _places(kind, name, beside)
    for place in places:
        if is_a(Path.is_file, place):
            return place
    known = known_names(kind)
    singular = "study" if kind == "studies" else kind.rstrip("s")
    why = _wrong_kind(name, beside)
    if not why:
        tried = ", ".join(map(str, places))
        why = f"looked at {tried}{did_you_mean(Path(name).stem, known)}"
    prefix = f"{where}: " if where else ""
    raise ConfigurationError(
        f"{prefix}there is no {singular} '{name}': {why}", remedy=f"known: {', '.join(known)}"
    )


def _wrong_kind(name: str, beside: Path | None) -> str:
    """Describe what is at the path `name` instead of a YAML file; empty if nothing is."""
    paths = [Path(name), beside / name] if beside else [Path(name)]
    for path in paths:
        if name and is_a(Path.is_dir, path):
            return "must be a YAML file, got a folder"
        if is_a(Path.is_file, path):
            return "must be a YAML file (.yaml or .yml), got another kind of file"
    return ""


def is_known(kind: str, name: str, beside: Path | None = None) -> bool:
    """Whether `find` finds a file of that name."""
    return any(is_a(Path.is_file, place) for place in _places(kind, name, beside))


def shadowed(kind: str, name: str, beside: Path | None = None) -> tuple[Path, Path] | None:
    """Return the file of that name and the shipped file that it hides; None if it hides none."""
    places = [place for place in _places(kind, name, beside) if is_a(Path.is_file, place)]
    shipped = shipped_folder(kind).resolve()
    hidden = [place for place in places[1:] if place.resolve().is_relative_to(shipped)]
    if not hidden or places[0].samefile(hidden[-1]):
        return None
    return places[0], hidden[-1]


def _places(kind: str, name: str, beside: Path | None) -> list[Path]:
    places = []
    file_name = f"{name}.yaml"
    if Path(name).suffix in (".yaml", ".yml"):
        file_name = name
        places.append(Path(name))
    if beside:
        places.append(beside / file_name)
    return list(dict.fromkeys([*places, Path(kind) / file_name, shipped_folder(kind) / file_name]))


def known_names(kind: str) -> list[str]:
    """List the names in ./KIND and of the shipped files, with their subfolder.

    Files in `data/` are left out: they are shared by studies, not studies themselves.
    """
    files: set[Path] = set()
    for folder in (Path(kind), shipped_folder(kind)):
        if folder.is_dir():
            files |= {file.relative_to(folder) for file in folder.rglob("*.yaml")}
    return sorted({file.with_suffix("").as_posix() for file in files if file.parts[0] != SHARED})
