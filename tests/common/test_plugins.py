"""A plug-in is a file: it is listed by its name without being imported, and loaded by it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import hinet_search
from hinet_search.common import plugins
from hinet_search.common.errors import ConfigurationError

PACKAGES = [
    "hinet_search.models",
    "hinet_search.data.sources",
    "hinet_search.executors",
    "hinet_search.report.sections",
    "hinet_search.report.formats",
    "hinet_search.cli.commands",
]


@pytest.mark.parametrize("package", PACKAGES)
def test_the_plug_ins_are_the_files_that_begin_with_no_underscore(package: str) -> None:
    folder = Path(hinet_search.__file__).parent.joinpath(*package.split(".")[1:])
    files = [file.stem for file in folder.glob("*.py") if not file.name.startswith("_")]
    assert plugins.names(package) == tuple(sorted(files))
    assert files


def test_listing_plug_ins_imports_none_of_them() -> None:
    code = "import sys; from hinet_search.common import plugins; plugins.names('hinet_search.models'); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"torch", "hinet_search.models"} & set(loaded)


def test_a_plug_in_that_is_added_or_removed_meanwhile_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = tmp_path / "data" / "sources"
    sources.mkdir(parents=True)
    monkeypatch.setattr(plugins, "__file__", str(tmp_path / "common" / "plugins.py"))
    listed = []
    for minute, change in enumerate([Path.touch, Path.touch, Path.unlink]):
        change(sources / f"source_{minute % 2}.py")
        os.utime(sources, (60 * minute, 60 * minute))  # a clock may be slower than this test
        listed.append(plugins.names("hinet_search.data.sources"))
    assert listed == [("source_0",), ("source_0", "source_1"), ("source_1",)]


def test_a_plug_in_is_loaded_by_its_name() -> None:
    assert (
        plugins.load("hinet_search.executors", "local").__name__ == "hinet_search.executors.local"
    )


def test_an_unknown_plug_in_names_the_known_ones_and_the_nearest() -> None:
    with pytest.raises(ConfigurationError) as caught:
        plugins.load("hinet_search.data.sources", "tabel")
    assert caught.value.problems == (
        "source 'tabel' is not known, must be one of synthetic, table; did you mean 'table'?",
    )


@pytest.mark.parametrize("name", ["__init__", "../errors", "local.start", ""])
def test_only_a_listed_name_is_ever_imported(name: str) -> None:
    with pytest.raises(ConfigurationError, match="is not known"):
        plugins.load("hinet_search.executors", name)
