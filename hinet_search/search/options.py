"""Launch options: what the command line or a caller says over a study file's values, and the folders that follow."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hinet_search.errors import ConfigurationError

if TYPE_CHECKING:
    from hinet_search.spec import Device
    from hinet_search.study import Study

DEFAULT_OUTPUT = Path(".hinet-search")


@dataclass(frozen=True)
class LaunchOptions:
    """Values that replace the study file's; None keeps the file's."""

    trials: int | None = None
    finalist_seeds: int | None = None
    slots: int | None = None
    device: "Device | None" = None
    storage: str | None = None
    output: Path | None = None
    seed: int | None = None
    size: str | None = None  # of a study that has sizes
    plugins: tuple[str, ...] = ()  # packages whose modules may be models
    extend: bool = False  # a stored study may get further arms, wider ranges and higher limits

    @property
    def folder(self) -> Path:
        """Where database, cache and artifacts live."""
        return self.output or DEFAULT_OUTPUT

    @property
    def reports(self) -> Path:
        """Where reports go: under the output folder when one was named, else reports/."""
        return self.output / "reports" if self.output else Path("reports")

    def storage_url(self, study: "Study | None" = None) -> str:
        """Flag, then HINET_SEARCH_STORAGE, then the study file, then a SQLite file in the output folder."""
        written = study.spec.storage if study else None
        return self.storage or os.environ.get("HINET_SEARCH_STORAGE") or written or str(self.folder / "studies.sqlite3")

    def apply(self, study: "Study") -> "Study":
        """The study with these values in place of its own; ConfigurationError when one is out of range.

        A study file is stored and shown in the report, so it must not hold a password.
        """
        from hinet_search.spec import StudySpec  # here, for commands that read no study file start without it
        from hinet_search.storage.address import parse_address
        from hinet_search.yaml_file import validated

        spec = study.spec
        if spec.storage and parse_address(spec.storage).password is not None:
            raise ConfigurationError(
                f"{study.file.place(('storage',))}: a study file is stored and shown in its report, so its storage must "
                "hold no password",
                remedy="leave the password out and set PGPASSFILE, or set HINET_SEARCH_STORAGE to the whole URL",
            )
        written = {name: getattr(spec, name) for name in spec.model_fields_set}
        given: dict[str, Any] = {"trials": self.trials, "slots": self.slots, "device": self.device, "seed": self.seed}
        if self.finalist_seeds is not None:
            given["finalists"] = {**spec.finalists.model_dump(), "seeds": self.finalist_seeds}
        update = {name: value for name, value in given.items() if value is not None}
        return replace(study, spec=validated(StudySpec, {**written, **update}, "option"))


def num_slots(study: "Study") -> int:
    """Slots of a study: its own number, else one per CPU core, at most 4."""
    return study.spec.slots or min(os.cpu_count() or 1, 4)
