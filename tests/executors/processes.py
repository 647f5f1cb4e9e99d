"""Processes as the kernel sees them, for tests of what an executor leaves behind."""

from pathlib import Path


def is_alive(process: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        state = _status(process)[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def is_paused(process: int) -> bool:
    """Return whether a process was stopped by a signal and may continue."""
    try:
        return _status(process)[0] == "T"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children_of(process: int) -> set[int]:
    """Return child processes, including zombies: their parent must also have collected them."""
    children = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int(_status(int(entry.name))[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            if parent == process:
                children.add(int(entry.name))
    return children


def descendants_of(process: int) -> set[int]:
    """Child processes and theirs."""
    children = children_of(process)
    return children.union(*(descendants_of(child) for child in children))


def _status(process: int) -> list[str]:
    """State, parent and more; the name before them may hold anything."""
    return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
