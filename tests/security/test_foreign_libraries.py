"""No command opens a library of the current folder, whatever a study file names."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from hinet_search.common.errors import EnvironmentFault
from hinet_search.data.object_stores.listing import LIBRARY, require_own_client

TRAP = """\
#include <cstdio>
#include <cstdlib>
__attribute__((constructor)) static void leave_a_trace() {
    if (FILE *trace = std::fopen(std::getenv("TRACE"), "w")) std::fclose(trace);
}
"""
STUDY = """\
data:
  source: {kind: table, path: "hdfs://h/x.parquet"}
  scenario: {column: channel}
  tasks: {click: {column: is_click}}
  features: {categorical: [user_id]}
  split: {by: random}
arms: {shared_bottom: }
reference: shared_bottom
"""
COMMANDS = [
    ["check", "study.yaml"],
    ["launch", "study.yaml"],
    ["data", "describe", "study.yaml"],
    ["data", "init", "hdfs://h/x.parquet"],
]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that leaves a file where it is opened."""
    folder = tmp_path_factory.mktemp("library")
    (folder / "trap.cpp").write_text(TRAP)
    compiler = shutil.which("g++") or shutil.which("clang++")
    assert compiler, "the tests need g++ or clang++"
    built = folder / LIBRARY
    subprocess.run([compiler, "-shared", "-fPIC", "trap.cpp", "-o", built], cwd=folder, check=True)
    return built


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a study, in which commands start."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "study.yaml").write_text(STUDY)
    return folder


@pytest.fixture
def hadoop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the user's own client, which is a file of that name; nothing else is set."""
    for name in ("HADOOP_HOME", "JAVA_HOME", "CLASSPATH", "LD_LIBRARY_PATH"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "hadoop"
    folder.mkdir()
    (folder / LIBRARY).touch()
    monkeypatch.setenv("ARROW_LIBHDFS_DIR", str(folder))
    return folder


def said_by(folder: Path, words: list[str], environment: Mapping[str, str]) -> str:
    """What a command prints that must be refused."""
    said = subprocess.run(
        [sys.executable, "-P", "-c", "from hinet_search.cli import main; main()", *words],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 4, said.stderr
    return " ".join(said.stderr.split())


def test_the_trap_sees_that_it_is_opened(library: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    subprocess.run(
        [sys.executable, "-c", "import ctypes; ctypes.CDLL('./libhdfs.so')"],
        cwd=library.parent,
        env={**os.environ, "TRACE": str(trace)},
        check=True,
    )
    assert trace.exists()


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_the_library_of_the_current_folder_is_not_opened(
    words: list[str], library: Path, folder: Path, hadoop: Path, tmp_path: Path
) -> None:
    shutil.copy(library, folder)
    trace = tmp_path / "trace"
    said = said_by(folder, words, {"TRACE": str(trace), "ARROW_LIBHDFS_DIR": str(hadoop)})
    assert "the current folder must hold no libhdfs.so" in said
    assert not trace.exists()


def test_the_client_that_the_user_has_named_is_opened(
    library: Path, folder: Path, tmp_path: Path, hadoop: Path
) -> None:
    shutil.copy(library, hadoop)
    trace = tmp_path / "trace"
    said = said_by(folder, COMMANDS[0], {"TRACE": str(trace)})
    assert "cannot be read" in said  # it is no client
    assert trace.exists()


@pytest.mark.usefixtures("hadoop")
def test_a_client_below_an_absolute_path_of_the_environment_is_taken() -> None:
    require_own_client("here")


def test_a_client_below_the_home_of_hadoop_is_taken(
    hadoop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    native = hadoop / "lib" / "native"
    native.mkdir(parents=True)
    (hadoop / LIBRARY).rename(native / LIBRARY)
    monkeypatch.setenv("HADOOP_HOME", str(hadoop))
    require_own_client("here")


def test_without_a_client_of_the_user_nothing_is_opened(
    hadoop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ARROW_LIBHDFS_DIR")
    with pytest.raises(EnvironmentFault, match=r"^here: libhdfs\.so of Hadoop's client must be in"):
        require_own_client("here")


@pytest.mark.usefixtures("hadoop")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HADOOP_HOME", "hadoop"),
        ("HADOOP_HOME", ""),
        ("ARROW_LIBHDFS_DIR", "."),
        ("JAVA_HOME", "jdk"),
        ("CLASSPATH", "/opt/hadoop/conf:jars/a.jar"),
        ("CLASSPATH", "/opt/hadoop/conf:"),
        ("LD_LIBRARY_PATH", ":/opt/lib"),
    ],
)
def test_a_relative_path_in_the_environment_is_refused(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(EnvironmentFault, match=f"variable {name} must hold absolute paths, got '"):
        require_own_client("here")
