"""Hadoop: whether its client is the user's own, before Arrow opens it.

Arrow opens `libhdfs.so` of the current folder before that of the folders which the environment
names, and the client starts a Java machine with the class path of the environment. So a file of
that name, or a relative path, would run code from the current folder.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from hinet_search.common.errors import EnvironmentFault

LIBRARY = "libhdfs.so"
_FOLDERS = {"ARROW_LIBHDFS_DIR": "", "HADOOP_HOME": "lib/native"}  # where Arrow looks in them
_PATHS = ("ARROW_LIBHDFS_DIR", "HADOOP_HOME", "JAVA_HOME")
_LISTS_OF_PATHS = ("CLASSPATH", "LD_LIBRARY_PATH")


def require_own_client(where: str) -> None:
    """Raise EnvironmentFault unless an absolute path of the environment leads to Hadoop's client.

    `where` is the URL that needs it, in words.
    """
    problems = list(_problems())
    if problems:
        raise EnvironmentFault(
            *(f"{where}: {problem}" for problem in problems),
            remedy="export ARROW_LIBHDFS_DIR=/opt/hadoop/lib/native, JAVA_HOME and "
            "CLASSPATH=$(hadoop classpath --glob), or read the table by webhdfs://",
        )


def _problems() -> Iterator[str]:
    if os.path.lexists(LIBRARY):
        yield (
            f"the current folder must hold no {LIBRARY}, as its code would run in place of that "
            "of Hadoop's client; start the command in another folder"
        )
    for name, paths in _paths_of_the_environment().items():
        relative = [path for path in paths if not Path(path).is_absolute()]
        if relative:
            yield (
                f"the variable {name} must hold absolute paths, got '{relative[0]}', "
                "which is another file in each current folder"
            )
    if not any(_holds_library(name, below) for name, below in _FOLDERS.items()):
        yield (
            f"{LIBRARY} of Hadoop's client must be in the folder of the variable "
            "ARROW_LIBHDFS_DIR, or in lib/native below that of HADOOP_HOME, and is not"
        )


def _paths_of_the_environment() -> dict[str, list[str]]:
    """The paths of every variable that is set, by its name."""
    single = {name: [os.environ[name]] for name in _PATHS if name in os.environ}
    lists = {name: os.environ[name].split(":") for name in _LISTS_OF_PATHS if os.environ.get(name)}
    return single | lists


def _holds_library(name: str, below: str) -> bool:
    folder = os.environ.get(name)
    return folder is not None and Path(folder, below, LIBRARY).is_file()
