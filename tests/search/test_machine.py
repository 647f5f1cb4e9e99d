"""The doctor reports this machine's problems for a study, changes nothing, and exits with 4 if no study can run."""

import sqlite3
from collections import namedtuple
from pathlib import Path

import pytest
from click.testing import CliRunner

import hinet_search
from hinet_search.cli import cli
from hinet_search.common.errors import EnvironmentFault
from hinet_search.search import machine
from hinet_search.search.machine import MachineFact, examine
from hinet_search.search.plan import probe
from hinet_search.storage import sqlite_file
from hinet_search.storage.engine import connect
from hinet_search.storage.sqlite_file import file_system_of
from hinet_search.study.launch_options import LaunchOptions
from tests.small import STUDY, write_study

TABLE_SOURCE = "  source: {kind: table, path: rows.csv}\n"
Usage = namedtuple("Usage", "total used free")


def examined(study: Path | None = None, **options: object) -> dict[str, MachineFact]:
    chosen = LaunchOptions(**options)
    return {
        finding.name: finding
        for finding in examine(chosen, chosen.load(str(study)) if study else None)
    }


def test_a_sound_machine_has_no_problem_and_nothing_is_left_behind(tmp_path: Path) -> None:
    facts = examined(output=tmp_path / "out")
    assert list(facts) == [
        "versions",
        "processors",
        "memory",
        "device",
        "disk",
        "writing",
        "database",
    ]
    assert not [finding for finding in facts.values() if finding.blocks]
    assert facts["database"].value.endswith("none yet, the first launch makes it")
    assert list(tmp_path.iterdir()) == []


def test_a_database_is_asked_for_its_round_trip_and_anything_else_blocks(tmp_path: Path) -> None:
    def examined_database(name: str) -> MachineFact:
        return examined(output=tmp_path, storage=str(tmp_path / name))["database"]

    connect(str(tmp_path / "h.db"), create=True).close()
    fact = examined_database("h.db")
    assert (fact.value.endswith("ms a round trip"), fact.problem) == (True, "")
    (tmp_path / "text").write_text("long enough for a header of SQLite" * 40)
    fact = examined_database("text")
    assert (fact.blocks, "file is not a database" in fact.value) == (True, True)
    with sqlite3.connect(tmp_path / "other.db") as connection:
        connection.execute("CREATE TABLE other (x)")
    fact = examined_database("other.db")
    assert (fact.blocks, "launch a study first" in fact.problem) == (True, True)


def test_a_server_that_is_not_there_blocks_and_its_password_is_not_shown() -> None:
    fact = examined(storage="postgresql://ann:secret@127.0.0.1:1/studies")["database"]
    assert fact.blocks
    assert "127.0.0.1" in fact.value
    assert "secret" not in fact.value + fact.problem


def test_the_database_that_a_study_names_is_examined(tmp_path: Path) -> None:
    connect(str(tmp_path / "own.db"), create=True).close()
    study = write_study(tmp_path, f"{STUDY}storage: {tmp_path / 'own.db'}\n")
    assert examined(study, output=tmp_path)["database"].value.startswith(
        f"sqlite:///{tmp_path}/own.db: "
    )
    assert examined(output=tmp_path)["database"].value.endswith(
        "none yet, the first launch makes it"
    )
    assert "other.db" in examined(study, storage=str(tmp_path / "other.db"))["database"].value


def test_a_device_that_a_study_asks_for_and_that_is_not_there_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    fact = examined(write_study(tmp_path, STUDY.replace("device: cpu", "device: cuda")))["device"]
    assert fact.blocks
    assert "CUDA_VISIBLE_DEVICES" in fact.problem
    assert examined(write_study(tmp_path))["device"].value == "cpu, as the study says"


def test_data_of_a_study_that_are_not_there_block_and_are_named_with_their_line(
    tmp_path: Path,
) -> None:
    text = STUDY.replace(STUDY[STUDY.index("  source:") : STUDY.index("  scenario:")], TABLE_SOURCE)
    fact = examined(write_study(tmp_path, text), output=tmp_path)["data"]
    assert fact.blocks
    assert "small.yaml:3:25: data.source.path: 'rows.csv' must be a file" in fact.value
    assert "HINET_SEARCH_DATA" in fact.problem
    (tmp_path / "rows.csv").write_text("a,b\n1,2\n")
    assert (
        examined(write_study(tmp_path, text), output=tmp_path)["data"].value
        == "table: there, not encoded yet"
    )


def test_encoded_data_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "probe", lambda *_: probe.ProbeResult(1.0, 2.0, 1000))
    study = write_study(tmp_path)
    assert (
        examined(study, output=tmp_path / "out")["data"].value
        == "synthetic: there, not encoded yet"
    )
    hinet_search.check(str(study), output=tmp_path / "out")
    assert examined(study, output=tmp_path / "out")["data"].value == "synthetic: encoded already"


def test_the_command_names_the_launch_of_its_study_with_the_same_places(tmp_path: Path) -> None:
    study, out = write_study(tmp_path), tmp_path / "out"
    result = CliRunner().invoke(cli, ["doctor", str(study), "--output", str(out)])
    assert result.exit_code == 0, result.output
    assert result.output.endswith(f"Next: hinet-search launch {study} --output {out}\n")
    assert not out.exists()


def test_a_full_disk_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: Usage(1, 1, 10 * 1024**2))
    fact = examined(output=tmp_path)["disk"]
    assert fact.value.startswith("10.5 MB free")
    assert "less than 2 GB" in fact.problem


def test_a_folder_that_cannot_be_written_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(**_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(machine.tempfile, "NamedTemporaryFile", refused)
    fact = examined(output=tmp_path)["writing"]
    assert fact.blocks
    assert "Permission denied" in fact.value


@pytest.fixture
def on_nfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that the system reports to be on another machine."""
    shared = tmp_path / "shared folder"
    shared.mkdir()
    mounts = tmp_path / "mounts"
    where = str(shared).replace(" ", "\\040")
    mounts.write_text(f"/dev/a / ext4 rw 0 0\nserver:/x {where} nfs4 rw 0 0\n")
    monkeypatch.setattr(sqlite_file, "MOUNTS", mounts)
    return shared


def test_the_file_system_of_a_path_is_that_of_the_nearest_mount(
    on_nfs: Path, tmp_path: Path
) -> None:
    assert file_system_of(on_nfs / "not" / "there" / "h.db") == "nfs4"
    assert file_system_of(tmp_path / "h.db") == "ext4"


def test_sqlite_over_the_network_is_refused(on_nfs: Path) -> None:
    fact = examined(output=on_nfs, storage=str(on_nfs / "h.db"))["database"]
    assert fact.blocks
    assert "on nfs4" in fact.value
    with pytest.raises(
        EnvironmentFault, match=r"lies on nfs4, where SQLite can be damaged[^\n]*\n.*--storage"
    ):
        connect(str(on_nfs / "new" / "h.db"), create=True)
    assert list(on_nfs.iterdir()) == []


def test_the_command_prints_a_line_a_fact_and_names_what_is_next(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["doctor", "--output", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert "  processors  " in result.output
    assert result.output.endswith(f"Next: hinet-search launch quickstart --output {tmp_path}\n")


def test_the_command_fails_where_no_study_can_run(tmp_path: Path) -> None:
    (tmp_path / "h.db").write_text("x" * 2000)
    result = CliRunner().invoke(cli, ["doctor", "--storage", str(tmp_path / "h.db")])
    assert result.exit_code == EnvironmentFault.exit_code
    assert "x   database" in result.output
