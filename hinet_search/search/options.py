"""Launch options: what the command line or a caller says over a study file's values, and the folders that follow.

What is said stands over the environment, the environment over the study file, the file over the defaults.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hinet_search.errors import ConfigurationError

if TYPE_CHECKING:
    from hinet_search.spec import Device
    from hinet_search.study import Study
    from hinet_search.yaml_file import Said

DEFAULT_OUTPUT = Path(".hinet-search")
STORAGE, CACHE = "HINET_SEARCH_STORAGE", "HINET_SEARCH_CACHE"
ENVIRONMENT = {  # key of a study: variable
    "slots": "HINET_SEARCH_SLOTS",
    "device": "HINET_SEARCH_DEVICE",
    "executor.kind": "HINET_SEARCH_EXECUTOR",
    "executor.address": "HINET_SEARCH_ADDRESS",
    "executor.exchange": "HINET_SEARCH_EXCHANGE",
}
OPTIONS = {
    "trials": "trials",
    "finalists.seeds": "finalist_seeds",
    "slots": "slots",
    "device": "device",
    "executor.kind": "executor",
    "executor.address": "address",
    "executor.exchange": "exchange",
    "seed": "seed",
}  # key of a study: option


@dataclass(frozen=True)
class LaunchOptions:
    """Values that replace the study file's; None keeps the file's.

    `settings` replaces any value by its dotted name: a key of the study (`finalists.seeds`) or a setting of every arm
    (`train.batch_size`), as `load_study` says.
    """

    trials: int | None = None
    finalist_seeds: int | None = None
    slots: int | None = None
    device: "Device | None" = None
    executor: str | None = None
    address: str | None = None  # of the executor's cluster
    exchange: str | None = None  # of files between its nodes
    storage: str | None = None
    output: Path | None = None
    seed: int | None = None
    size: str | None = None  # of a study that has sizes
    plugins: tuple[str, ...] = ()  # packages whose modules may be models
    extend: bool = False  # a stored study may get further arms, wider ranges and higher limits
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where database, cache and artifacts live."""
        return self.output or DEFAULT_OUTPUT

    @property
    def cache(self) -> Path:
        """Where encoded data are kept: HINET_SEARCH_CACHE, then under the output folder."""
        return Path(os.environ.get(CACHE) or self.folder / "cache")

    @property
    def reports(self) -> Path:
        """Where reports go: under the output folder when one was named, else reports/."""
        return self.output / "reports" if self.output else Path("reports")

    def storage_url(self, study: "Study | None" = None) -> str:
        """Flag, then HINET_SEARCH_STORAGE, then the study file, then a SQLite file in the output folder."""
        written = study.spec.storage if study else None
        return self.storage or os.environ.get(STORAGE) or written or str(self.folder / "studies.sqlite3")

    def said(self) -> "Mapping[str, Said]":
        """What stands over the study file, by the dotted name of its key: settings, environment, options; the last wins."""
        from hinet_search.yaml_file import Said  # here, for commands that read no study file start without it

        found = {name: Said(value, f"--set {name}") for name, value in self.settings.items()}
        found |= {name: Said(os.environ[key], key) for name, key in ENVIRONMENT.items() if os.environ.get(key)}
        given = {name: (getattr(self, option), f"--{option.replace('_', '-')}") for name, option in OPTIONS.items()}
        return found | {name: Said(value, where) for name, (value, where) in given.items() if value is not None}

    def recorded(self, text: str) -> str:
        """The text of a study file as it is stored: what was set in its place stands below it in comments."""
        settings = [f"# --set {name}={value}" for name, value in self.settings.items()]
        return "\n".join([text.rstrip("\n"), *settings, ""]) if settings else text

    def load(self, study: str) -> "Study":
        """The study of that name or path with these values in place of its own; errors are those of load_study.

        A study file is stored and shown in the report, so it must not hold a password.
        """
        from hinet_search.storage.address import parse_address
        from hinet_search.study import load_study

        found = load_study(study, self.size, self.said())
        storage = found.spec.storage
        if storage and parse_address(storage).password is not None:
            raise ConfigurationError(
                f"{found.file.place(('storage',))}: a study file is stored and shown in its report, so its storage must "
                "hold no password",
                remedy="leave the password out and set PGPASSFILE, or set HINET_SEARCH_STORAGE to the whole URL",
            )
        return found


def num_slots(study: "Study") -> int:
    """Slots of a study: its own number, else one per CPU core, at most 4."""
    return study.spec.slots or min(num_cores(), 4)


def num_cores() -> int:
    """CPU cores that this process may use, where the system tells; else all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
