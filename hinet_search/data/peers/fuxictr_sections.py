"""FuxiCTR's sections: the experiments and data sets of a folder, and the ones that are chosen."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hinet_search.common.errors import ConfigurationError, did_you_mean, shortened
from hinet_search.data.peers.rules import Entry, entries_of
from hinet_search.data.raw_values import listed
from hinet_search.study.validation_messages import Location
from hinet_search.study.yaml_file import YamlFile, read

BASE = "Base"  # keys of all experiments of a file


@dataclass(frozen=True)
class Section:
    """A mapping of a file: an experiment or a data set."""

    file: YamlFile
    at: Location

    @property
    def values(self) -> Mapping[str, Any]:
        """The mapping."""
        value: Any = self.file.tree
        for step in self.at:
            value = value[step]
        return value  # type: ignore[no-any-return]  # checked where sections are made

    def place(self, at: Location = ()) -> str:
        """Return the place of a key of the mapping."""
        return self.file.place((*self.at, *at))

    def entries(self, key: str = "") -> list[Entry]:
        """Return the entries, each below `key` if there is one."""
        entries = entries_of(self.file, self.at)
        return [replace(entry, key=f"{key}.{entry.key}") if key else entry for entry in entries]


def _sections(folder: Path, stem: str) -> dict[str, Section]:
    """Return the sections of STEM.yaml, or of all files in a folder of that name."""
    alone = [folder / f"{stem}.yaml", folder / f"{stem}.yml"]
    files = [file for file in alone if file.is_file()][:1]
    if not files:
        files = sorted([*folder.glob(f"{stem}/*.yaml"), *folder.glob(f"{stem}/*.yml")])
    sections = {}
    for path in files:
        file = read(path)
        for name, values in file.tree.items():
            if not isinstance(values, dict):
                got = shortened(repr(values))
                raise ConfigurationError(
                    f"{file.place((name,))}: '{name}' must be a mapping of keys, got {got}"
                )
            sections[str(name)] = Section(file, (name,))
    return sections


def experiment_of(folder: Path, name: str | None) -> Section | None:
    """Return the chosen experiment; None if the folder has none at all."""
    sections = _sections(folder, "model_config")
    known = [each for each in sections if each != BASE]
    if not sections and name is None:
        return None
    return sections[_chosen(known, name, folder / "model_config.yaml", "--experiment")]


def dataset_of(folder: Path, given: str | None, of_experiment: Any) -> Section:
    """Return the data set that is given, else that of the experiment, else the only one."""
    sections = _sections(folder, "dataset_config")
    if given is None and str(of_experiment) in sections:
        given = str(of_experiment)
    return sections[_chosen(list(sections), given, folder / "dataset_config.yaml", "--dataset")]


def _chosen(known: Sequence[str], given: str | None, path: Path, option: str) -> str:
    """Return the given name, or the only one."""
    if not known:
        raise ConfigurationError(
            f"{path}: must have a section for {option}, found none",
            remedy="name the folder that holds dataset_config.yaml and model_config.yaml",
        )
    chosen = known[0] if given is None and len(known) == 1 else given
    if chosen is None or chosen not in known:
        got = "got none" if chosen is None else f"got '{chosen}'{did_you_mean(chosen, known)}"
        raise ConfigurationError(f"{option} must be one of {listed(known)}, {got}")
    return chosen


def _base(chosen: Section) -> Section | None:
    """Return the keys of all experiments of its file."""
    if not isinstance(chosen.file.tree.get(BASE), dict):
        return None
    return Section(chosen.file, (BASE,))


def settings_of(chosen: Section) -> dict[str, Any]:
    """Return the keys of an experiment and those of all."""
    base = _base(chosen)
    return {**(base.values if base else {}), **chosen.values}


def experiment_entries(chosen: Section) -> list[Entry]:
    """Return the entries of an experiment, and those of all that it does not replace."""
    base = _base(chosen)
    common = base.entries() if base else []
    kept = [entry for entry in common if entry.top_key not in chosen.values]
    return [*kept, *chosen.entries()]


def folders_above(folder: Path) -> list[Path]:
    """Return where relative paths may start: their scripts run in a folder above."""
    absolute = folder.resolve()
    return list(dict.fromkeys([Path.cwd(), *absolute.parents[:2], absolute]))
