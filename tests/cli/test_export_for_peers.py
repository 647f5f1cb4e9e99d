"""export for other libraries, as it is typed."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.forked import typed
from tests.small import write_study
from tests.waiting import LIMIT_SECONDS


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a done study."""
    folder = tmp_path_factory.mktemp("done")
    write_study(folder)
    command = typed(folder, "launch", "small.yaml", "--trials", "1", "--finalist-seeds", "1")
    assert command.wait(timeout=LIMIT_SECONDS) == 0
    return folder


def test_a_study_is_written_and_what_is_not_said_is_printed(run: Run, done: Path) -> None:
    study = [str(done / "small.yaml"), "--output", str(done / ".hinet-search")]
    written = run("export", f"{study[0]}/mmoe", *study[1:], "--format", "fuxictr", "-o", "fuxi")
    assert written.code == 0, written.err
    assert written.out.startswith("wrote fuxi/: NOTES.md ")
    assert "dataset_config.yaml" in written.out
    assert "not said to fuxictr, or otherwise there:\n" in written.out
    assert "  gates and towers: are of a task there, of " in written.out
    assert written.err.splitlines()[-1] == "Next: read fuxi/NOTES.md"


def test_an_exported_folder_is_written_as_json_says_and_nothing_is_overwritten(
    run: Run, done: Path, tmp_path: Path
) -> None:
    study = [str(done / "small.yaml"), "--output", str(done / ".hinet-search")]
    assert run("export", f"{study[0]}/mmoe", *study[1:], "-o", "model").code == 0
    again = run("export", "model", "--format", "torcheasyrec", "-o", "easyrec", "--json")
    assert again.code == 0, again.err
    told = json.loads(again.out)
    assert (told["kind"], told["library"], told["num_rows"]) == ("export_for", "torcheasyrec", {})
    assert (tmp_path / "easyrec" / "pipeline.config").is_file()
    assert run("export", "model", "--format", "fuxictr", "-o", "easyrec").code == 2


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--format", "onnx"], "--format must be one alone for another library"),
        (["--seeds", "all"], "--seeds must be best for another library, got all"),
        (["--weights", "int8"], "--weights must be fp32 for another library, got int8"),
    ],
)
def test_options_without_a_place_there_are_refused(run: Run, more: list[str], words: str) -> None:
    refused = run("export", "shop/mmoe", "--format", "fuxictr", "-o", "to", *more)
    assert refused.code == 2
    assert words in refused.err
