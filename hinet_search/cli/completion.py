"""Completion: complete the names of a study and its parts in the shell; no database is opened."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from hinet_search.common.plugins import names
from hinet_search.data.formats.suffixes import SUFFIXES
from hinet_search.study.find_file import find, is_known, known_names

MODELS = "hinet_search.models"
FILES = (".yaml", ".yml")


def complete_study(
    context: click.Context, parameter: click.Parameter, word: str
) -> list[CompletionItem]:
    """Complete studies by name, else YAML files and folders."""
    studies = _matching(known_names("studies"), word)
    return studies or _files(word, FILES)


def complete_target(
    context: click.Context, parameter: click.Parameter, word: str
) -> list[CompletionItem]:
    """Complete studies, and after a study and a slash what it can export."""
    from hinet_search.results.ensemble_records import ENSEMBLE
    from hinet_search.results.records import TAUGHT

    completed = complete_study(context, parameter, word)
    study, slash, _ = word.rpartition("/")
    if not (slash and is_known("studies", study)):
        return completed
    tree = _tree(study)
    exported = _keys(study, "arms")
    if tree.get("teaching"):
        exported += [f"{TAUGHT}{arm}" for arm in exported]
    if tree.get("ensemble"):
        exported.append(ENSEMBLE)
    return [*completed, *_matching([f"{study}/{name}" for name in exported], word)]


def complete_arm(
    context: click.Context, parameter: click.Parameter, word: str
) -> list[CompletionItem]:
    """Complete arms of the study on the command line, else models."""
    study = _study(context)
    return _matching(_keys(study, "arms") if study else names(MODELS), word)


def complete_size(
    context: click.Context, parameter: click.Parameter, word: str
) -> list[CompletionItem]:
    """Complete sizes of the study on the command line."""
    return _keys_of_study(context, "sizes", word)


def complete_variant(
    context: click.Context, parameter: click.Parameter, word: str
) -> list[CompletionItem]:
    """Complete variants of the study on the command line."""
    return _keys_of_study(context, "variants", word)


def complete_table(
    context: click.Context, parameter: click.Parameter, word: str
) -> list[CompletionItem]:
    """Complete tables and folders."""
    return _files(word, SUFFIXES)


def _keys_of_study(context: click.Context, key: str, word: str) -> list[CompletionItem]:
    study = _study(context)
    return _matching(_keys(study, key) if study else (), word)


def _study(context: click.Context) -> str | None:
    """Return the study on the command line, among the remaining arguments of an option too."""
    study: str | None = context.params.get("study") or next(iter(context.args), None)
    return study


def _tree(study: str) -> dict[Any, Any]:
    """Return the content of a study file; nothing if the file cannot be read."""
    from hinet_search.common.errors import ConfigurationError
    from hinet_search.study.yaml_file import read

    try:
        return read(find("studies", study)).tree
    except ConfigurationError:
        return {}


def _keys(study: str, key: str) -> list[str]:
    """Return the keys below a key of a study file; none if the file cannot be read."""
    section = _tree(study).get(key)
    return [str(name) for name in section] if isinstance(section, dict) else []


def _matching(known: Iterable[str], word: str) -> list[CompletionItem]:
    """Return the known names that begin with a word."""
    return [CompletionItem(name) for name in known if name.startswith(word) and name.isprintable()]


def _files(word: str, suffixes: tuple[str, ...]) -> list[CompletionItem]:
    """Complete files with these suffixes, and folders with a slash."""
    folder = Path(word) if word.endswith("/") else Path(word).parent
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    visible = [path for path in paths if not path.name.startswith(".")]
    candidates = [path for path in visible if path.is_dir() or path.name.endswith(suffixes)]
    words = [f"{path}/" if path.is_dir() else str(path) for path in candidates]
    return _matching(words, word.removeprefix("./"))
