"""Nobody can talk to a running study; a dashboard listens on loopback alone."""

import time
from pathlib import Path

from tests.security.processes import launching, listening, tree
from tests.small import STUDY, write_study
from tests.storage.small_study import small_study

TEXT = STUDY.replace("rows: 4000", "rows: 30000").replace("passes: 2", "passes: 6")


def test_a_running_study_listens_nowhere(tmp_path: Path) -> None:
    write_study(tmp_path, TEXT)
    with launching(tmp_path, "launch", "small.yaml", HINET_SEARCH_CHECKPOINT_SECONDS="0") as study:
        while len(list(tmp_path.rglob("checkpoints/*/*/*.json"))) < 2:
            assert study.poll() is None, study.stdout.read()
            time.sleep(0.02)
        assert len(tree(study.pid)) >= 3, "the coordinator and two slots"
        assert listening(study.pid) == []


def test_a_dashboard_listens_on_loopback_and_nowhere_else(tmp_path: Path) -> None:
    small_study(tmp_path / "h.db").close()
    with launching(tmp_path, "dashboard", "--storage", "h.db", "--port", "18765") as dashboard:
        assert dashboard.stdout.readline() == (
            "http://127.0.0.1:18765  read-only, this machine only (Ctrl-C ends it)\n"
        )
        assert listening(dashboard.pid) == [f"tcp 0100007F:{18765:04X}"]
