"""File systems: what a folder lies on, and whether SQLite may lie there."""

from pathlib import Path

# Their locks reach other machines late or never: two writers would damage the file.
OVER_THE_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "fuse.sshfs"})
MOUNTS = Path("/proc/mounts")


def file_system_of(path: Path) -> str:
    """The type of the file system that holds a path, which need not exist yet; empty where the system does not tell."""
    if not MOUNTS.exists():
        return ""
    place = path.absolute()
    while not place.exists():
        place = place.parent
    place = place.resolve()
    kinds = {}
    for line in MOUNTS.read_text(encoding="utf-8").splitlines():
        _, mount, kind, *_ = line.split(" ")
        kinds[Path(mount.replace("\\040", " "))] = kind  # a later mount covers an earlier one
    holder = next((one for one in (place, *place.parents) if one in kinds), None)
    return kinds[holder] if holder else ""
