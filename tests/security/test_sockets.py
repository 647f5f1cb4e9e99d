"""A dashboard listens on loopback alone."""

from pathlib import Path

from tests.security.processes import launching, listening
from tests.storage.small_study import small_study


def test_a_dashboard_listens_on_loopback_and_nowhere_else(tmp_path: Path) -> None:
    small_study(tmp_path / "h.db").close()
    with launching(tmp_path, "dashboard", "--storage", "h.db", "--port", "18765") as dashboard:
        assert dashboard.stdout.readline() == (
            "http://127.0.0.1:18765  read-only, this machine only (Ctrl-C stops it)\n"
        )
        assert listening(dashboard.pid) == [f"tcp 0100007F:{18765:04X}"]
