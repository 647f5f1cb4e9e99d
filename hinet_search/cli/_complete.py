"""What the shell completes: names of studies, arms, sizes and models, read from file names and files; no database is opened."""

from collections.abc import Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from hinet_search.plugins import names
from hinet_search.shipped import find, is_known, known_names

MODELS = "hinet_search.models"
FILES = (".yaml", ".yml")


def complete_study(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:  # noqa: ARG001
    """Studies by name, then YAML files and folders."""
    found = _beginning(known_names("studies"), word)
    return found or _files(word, FILES)


def complete_target(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:
    """Studies, and behind a study and a slash its arms."""
    study, slash, _ = word.rpartition("/")
    arms = _keys(study, "arms") if slash and is_known("studies", study) else ()
    return [*complete_study(context, parameter, word), *_beginning((f"{study}/{arm}" for arm in arms), word)]


def complete_arm(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:  # noqa: ARG001
    """Arms of the study that is named before, else models."""
    study = _study(context)
    return _beginning(_keys(study, "arms") if study else names(MODELS), word)


def complete_size(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:  # noqa: ARG001
    """Sizes of the study that is named before."""
    study = _study(context)
    return _beginning(_keys(study, "sizes") if study else (), word)


def complete_table(context: click.Context, parameter: click.Parameter, word: str) -> list[CompletionItem]:  # noqa: ARG001
    """Tables and folders."""
    return _files(word, (".parquet", ".csv"))


def _study(context: click.Context) -> str | None:
    """The study of a command line; click leaves it among the rest while the value of an option is being completed."""
    found: str | None = context.params.get("study") or next(iter(context.args), None)
    return found


def _keys(study: str, key: str) -> list[str]:
    """The keys under one key of a study file; none where the file cannot be read."""
    from hinet_search.errors import ConfigurationError
    from hinet_search.yaml_file import read

    try:
        found = read(find("studies", study)).tree.get(key)
    except ConfigurationError:
        return []
    return [str(name) for name in found] if isinstance(found, dict) else []


def _beginning(known: Iterable[str], word: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in known if name.startswith(word)]


def _files(word: str, suffixes: tuple[str, ...]) -> list[CompletionItem]:
    """Files with these suffixes, and folders with a slash, that a word begins."""
    folder = Path(word) if word.endswith("/") else Path(word).parent
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    shown = [f"{one}/" if one.is_dir() else str(one) for one in found if one.is_dir() or one.suffix in suffixes]
    return _beginning((one for one in shown if not Path(one).name.startswith(".")), word.removeprefix("./"))
