"""From the configuration of another library to a study that checks."""

from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.data.peers.peer_files import fuxictr_folder, pipeline_file


@pytest.mark.slow
def test_a_folder_of_fuxictr_is_two_commands_from_a_checked_study(run: Run, tmp_path: Path) -> None:
    config = fuxictr_folder(tmp_path / "their")
    begun = run("data", "init", "--from-fuxictr", str(config), "--scenario", "channel")
    assert begun.code == 0, begun.err
    assert begun.out.startswith(
        "wrote data/shop.yaml\nwrote studies/shop.yaml\nlinked 3 files of rows in data/shop\n"
    )
    assert "not carried over: gate_hidden_units (4): gates are linear" in begun.out
    checked = run("check", "studies/shop.yaml")
    assert checked.code == 0, checked.err
    assert "2 scenarios x 2 tasks" in checked.out
    assert "1,200 rows" in checked.out


def test_a_pipeline_of_torcheasyrec_is_written_and_its_doubts_are_told(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "their").mkdir()
    pipeline = pipeline_file(tmp_path / "their")
    begun = run("data", "init", "--from-torcheasyrec", str(pipeline), "--name", "trial")
    assert begun.code == 0, begun.err
    assert begun.out.startswith("wrote data/trial.yaml\nwrote studies/trial.yaml\n")
    assert "not carried over: model_dir (experiments/shop): is about how their trainer" in begun.out
    assert "!!  data/trial.yaml:2:" in begun.err
    assert begun.err.splitlines()[-1] == "Next: hinet-search check studies/trial.yaml"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "TABLE must be given, or --from-fuxictr, or --from-torcheasyrec"),
        (
            ("rows.csv", "--from-fuxictr", "x"),
            "one source must be given, got TABLE and --from-fuxictr",
        ),
        (("--from-torcheasyrec", "x", "--user", "y"), "--user goes with TABLE, got it with --from"),
        (("rows.csv", "--experiment", "x"), "--experiment goes with --from-fuxictr, got it with"),
        (("--from-torcheasyrec", "x", "--dataset", "y"), "--dataset goes with --from-fuxictr"),
        (("--from-torcheasyrec", "x", "--task", "y"), "--task goes with TABLE, got it with --from"),
        (("--from-torcheasyrec", "x", "--weight", "y"), "--weight goes with TABLE"),
        (("--from-torcheasyrec", "none.config"), "none.config: cannot be read: No such file"),
        (("--from-torcheasyrec", "."), ".: cannot be read: Is a directory"),
    ],
)
def test_options_that_do_not_fit_together_are_refused(
    run: Run, arguments: tuple[str, ...], message: str
) -> None:
    said = run("data", "init", *arguments)
    assert said.code == 2
    assert message in said.err


def test_control_characters_of_a_configuration_do_not_reach_the_terminal(
    run: Run, tmp_path: Path
) -> None:
    config = fuxictr_folder(tmp_path / "their", experiments='one: {"a\\e[31m": 1, model: "\\e[2J"}')
    begun = run("data", "init", "--from-fuxictr", str(config))
    assert begun.code == 0, begun.err
    assert "\x1b" not in begun.out + begun.err
    assert "not carried over: model \\x1b[2J" in begun.out
