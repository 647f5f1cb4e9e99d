"""Read-only folders: mounted read-only for one process, because permissions do not restrict root."""

import ctypes
import os
import traceback
from collections.abc import Callable
from pathlib import Path

NEW_MOUNTS, NEW_USERS = 0x00020000, 0x10000000  # of unshare(2)
READ_ONLY, REMOUNT, BIND, DEEP, PRIVATE = 1, 32, 4096, 16384, 1 << 18  # of mount(2)
NOBODY = 65534

_libc = ctypes.CDLL(None, use_errno=True)


def in_read_only_folder(folder: Path, work: Callable[[], object]) -> None:
    """Run the work in a process that cannot write to the folder; print what it raises and fail the test."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            make_read_only(folder)
            work()
            code = 0
        except BaseException:  # noqa: BLE001 -- the exit code says so to the test
            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0, "what it raised stands above"


def make_read_only(folder: Path) -> None:
    """Mount the folder read-only for this process; if that is not allowed, remove the write permission."""
    try:
        _mount_read_only(folder)
    except OSError:
        for place, _, names in os.walk(folder):
            Path(place).chmod(0o555)
            for name in names:
                Path(place, name).chmod(0o444)
        if os.getuid() == 0:
            os.setuid(NOBODY)
    assert not os.access(folder, os.W_OK), "the folder cannot be made read-only here"


def _mount_read_only(folder: Path) -> None:
    user, group = os.getuid(), os.getgid()
    if user == 0:
        _call(_libc.unshare(NEW_MOUNTS))
    else:
        _call(_libc.unshare(NEW_MOUNTS | NEW_USERS))
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")
    place = os.fsencode(folder)
    _call(_libc.mount(b"none", b"/", None, DEEP | PRIVATE, None))
    _call(_libc.mount(place, place, None, BIND, None))
    _call(_libc.mount(None, place, None, BIND | REMOUNT | READ_ONLY, None))


def _call(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
