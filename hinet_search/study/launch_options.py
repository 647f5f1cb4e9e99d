"""Launch options: values that override a study file, and the folders of a launch.

Options take precedence over the environment, the environment over the study file, the file over the
defaults.
"""

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hinet_search.common.errors import ConfigurationError
from hinet_search.study.find_file import is_known

if TYPE_CHECKING:
    from hinet_search.study.load_study import ResolvedStudy
    from hinet_search.study.study_spec import Device
    from hinet_search.study.yaml_file import Override, YamlFile

DEFAULT_OUTPUT = Path(".hinet-search")
STORAGE = "HINET_SEARCH_STORAGE"
CACHE = "HINET_SEARCH_CACHE"
ENVIRONMENT = {  # key of a study: variable
    "slots": "HINET_SEARCH_SLOTS",
    "device": "HINET_SEARCH_DEVICE",
    "executor.kind": "HINET_SEARCH_EXECUTOR",
    "executor.address": "HINET_SEARCH_ADDRESS",
}
OPTIONS = {
    "trials": "trials",
    "finalists.seeds": "finalist_seeds",
    "slots": "slots",
    "device": "device",
    "executor.kind": "executor",
    "executor.address": "address",
    "seed": "seed",
}  # key of a study: option


@dataclass(frozen=True)
class LaunchOptions:
    """Values that override the study file; None keeps the file's value.

    `settings` overrides any value by its dotted name: a key of the study (`finalists.seeds`) or a
    setting of every arm (`train.batch_size`), as in `load_study`.
    """

    trials: int | None = None
    finalist_seeds: int | None = None
    slots: int | None = None
    device: "Device | None" = None
    executor: str | None = None
    address: str | None = None  # of the executor's cluster
    storage: str | None = None
    output: Path | None = None
    seed: int | None = None
    size: str | None = None  # one of the sizes of the study
    variant: str | None = None  # one of its variants
    plugins: tuple[str, ...] = ()  # packages whose modules may be models
    extend: bool = False  # allow more arms, wider ranges and higher limits for a stored study
    settings: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of_call(cls, options: Mapping[str, Any]) -> "LaunchOptions":
        """Return the options of a call in Python: a folder may be a text, plugins a list."""
        output = options.get("output")
        plugins = tuple(options.get("plugins", ()))
        folder = None if output is None else Path(output)
        return cls(**{**options, "output": folder, "plugins": plugins})

    @property
    def folder(self) -> Path:
        """The folder of database, cache and artifacts."""
        return self.output or DEFAULT_OUTPUT

    @property
    def cache(self) -> Path:
        """The folder of encoded data: HINET_SEARCH_CACHE, else in the output folder."""
        return Path(os.environ.get(CACHE) or self.folder / "cache")

    @property
    def reports(self) -> Path:
        """The folder of reports: in the output folder if one was given, else reports/."""
        return self.output / "reports" if self.output else Path("reports")

    def storage_url(self, study: "ResolvedStudy | None" = None) -> str:
        """Return the address of the database.

        Order: the option, HINET_SEARCH_STORAGE, the study file, a SQLite file in the output folder.
        """
        from_file = study.spec.storage if study else None
        default = str(self.folder / "studies.sqlite3")
        return self.storage or os.environ.get(STORAGE) or from_file or default

    def stored_name(self, study: str) -> tuple[str, str]:
        """Return the name and the database of a launched study.

        The study's file has both; a name without a file is that of the stored study. A path, or a
        name with a size or a variant, needs a file: no stored study has such a name.
        """
        is_part = self.size is not None or self.variant is not None
        is_file = Path(study).suffix in (".yaml", ".yml") or "/" in study or is_part
        if is_file or is_known("studies", study):
            loaded = self.load(study)
            return loaded.name, self.storage_url(loaded)
        return study, self.storage_url()

    def overrides(self) -> "Mapping[str, Override]":
        """Return the values that override the study file, by the dotted name of their key.

        Options take precedence over the environment, the environment over settings.
        """
        # Imported here: commands that read no study file start without it.
        from hinet_search.study.yaml_file import Override

        overrides = {
            name: Override(value, f"--set {name}") for name, value in self.settings.items()
        }
        for name, variable in ENVIRONMENT.items():
            if os.environ.get(variable):
                overrides[name] = Override(os.environ[variable], variable)
        for name, option in OPTIONS.items():
            value = getattr(self, option)
            if value is not None:
                overrides[name] = Override(value, f"--{option.replace('_', '-')}")
        return overrides

    def recorded(self, text: str) -> str:
        """Return the text of a study file to store, followed by the settings as comments."""
        settings = [] if self.variant is None else [f"# --variant {self.variant}"]
        settings += [f"# --set {name}={value}" for name, value in self.settings.items()]
        return "\n".join([text.rstrip("\n"), *settings, ""]) if settings else text

    def load(self, study: str) -> "ResolvedStudy":
        """Load the study of a name or path with these options; errors as of load_study.

        A study file is stored and shown in the report, so it must not hold a password.
        """
        from hinet_search.study.load_study import load_study

        loaded = load_study(study, self.size, self.overrides(), self.variant)
        if _has_password(loaded.spec.storage):
            raise ConfigurationError(
                f"{loaded.file.place(('storage',))}: a study file is stored and shown "
                "in its report, so its storage must hold no password",
                remedy="leave the password out and set PGPASSFILE, "
                "or set HINET_SEARCH_STORAGE to the whole URL",
            )
        return loaded


def _has_password(storage: str | None) -> bool:
    if not storage:
        return False
    from hinet_search.common.database_url import parse_address  # imports SQLAlchemy

    return parse_address(storage).password is not None


def call_text(name: str, study: str, options: Mapping[str, Any]) -> str:
    """Return a call in Python as it is stored and printed, without the password of a database."""
    from hinet_search.common.database_url import parse_address

    printed = {
        name: str(value) if isinstance(value, Path) else value for name, value in options.items()
    }
    if printed.get("storage"):
        address = parse_address(printed["storage"])
        if address.password is not None:
            printed["storage"] = address.masked
    arguments = [repr(study), *(f"{name}={value!r}" for name, value in printed.items())]
    return f"hinet_search.{name}({', '.join(arguments)})"


def refuse_places_of_the_file(study: "ResolvedStudy") -> None:
    """Raise ConfigurationError if only the study file names a cluster.

    The file may come from someone else, and so may its variants.
    """
    address = study.spec.executor.options.get("address", "local")
    if address != "local" and not _is_named_by_launch(study.file, "executor", "address"):
        raise ConfigurationError(
            f"{study.file.place(('executor', 'address'))}: "
            f"address {address} gets the data and runs the code of the study, "
            "so the launch must name it, but only the file does",
            remedy=f"add {shlex.join(('--address', address))}",
        )


def _is_named_by_launch(file: "YamlFile", key: str, option: str) -> bool:
    """Return whether something else than the file or its variant sets an option or its key."""
    for location in ((key, option), (key,)):
        if location in file.sources:
            return not file.sources[location].startswith(f"{file.path}:")
    return False


def num_slots(study: "ResolvedStudy") -> int:
    """Return the slots of a study: as set, else one per CPU core and at most 4."""
    return study.spec.slots or max(1, min(num_cores(), 4))


def num_cores() -> int:
    """Return the number of CPU cores that this process may use; all if the system does not say."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
