"""Faults: outcomes that an input must never have, and how they are reported."""

import re
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "hinet_search"


@dataclass(frozen=True)
class Outcome:
    """How one input ended: what it came to, in a word or two, or a fault of which `kind` and `where` tell equal ones."""

    what: str
    kind: str = ""  # empty where all is well
    where: str = ""
    detail: str = ""
    seconds: float = 0.0
    megabytes: int = 0  # of memory, at the peak

    @property
    def is_fault(self) -> bool:
        return bool(self.kind)

    @property
    def signature(self) -> str:
        """Equal for two inputs that show the same fault."""
        return f"{self.kind} {self.where}"


class Fault(Exception):
    """An input broke a promise: `kind` is the promise, `where` the place in the code or the folder."""

    def __init__(self, kind: str, where: str, detail: str) -> None:
        super().__init__(f"{kind}: {where}\n{detail}")
        self.kind, self.where, self.detail = kind, where, detail


def of_fault(fault: Fault) -> Outcome:
    """Return the fault as an outcome."""
    return Outcome("fault", fault.kind, fault.where, fault.detail)


def of_exception(error: BaseException) -> Fault:
    """Return an unhandled exception as a fault, by its type and the innermost line of the package."""
    frames = traceback.extract_tb(error.__traceback__)
    return Fault(
        "traceback",
        f"{type(error).__name__} {innermost(frames)}",
        "".join(traceback.format_exception(error)),
    )


def of_text(text: str) -> Fault:
    """Return the same for a printed traceback."""
    places = re.findall(r'File "(.+?)", line \d+, in (\S+)', text)
    frames = [traceback.FrameSummary(file, 0, name) for file, name in places]
    last = text.strip().splitlines()[-1] if text.strip() else "nothing"
    return Fault("traceback", f"{last.partition(':')[0][:60]} {innermost(frames)}", text)


def innermost(frames: Iterable[traceback.FrameSummary]) -> str:
    """File and function of the last frame of the package that is no door of the command line."""
    ours = [frame for frame in frames if str(PACKAGE) in frame.filename]
    inner = [frame for frame in ours if f"{PACKAGE}/cli/__init__" not in frame.filename] or ours
    return (
        f"{Path(inner[-1].filename).relative_to(PACKAGE)}:{inner[-1].name}"
        if inner
        else "outside of the package"
    )
