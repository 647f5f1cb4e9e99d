"""A damaged database file is reported with its path and exit code 4, and no study is started in it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hinet_search.common.errors import EnvironmentFault
from tests.search.pretended import Studio


def cut_in_half(content: bytearray) -> None:
    """Cut the file in half, as an interrupted copy does."""
    del content[len(content) // 2 :]


def flip_the_header(content: bytearray) -> None:
    content[3] ^= 1


def flip_a_page(content: bytearray) -> None:
    """Overwrite the type of the page that lists all tables."""
    content[100] ^= 1


@pytest.mark.parametrize("damage", [cut_in_half, flip_the_header, flip_a_page])
def test_a_damaged_database_is_refused(
    damage: Callable[[bytearray], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = Studio(tmp_path, monkeypatch)
    studio.launch()
    path = tmp_path / "out" / "studies.sqlite3"
    content = bytearray(path.read_bytes())
    damage(content)
    path.write_bytes(content)
    with pytest.raises(
        EnvironmentFault, match=rf"^database sqlite:///{path} is not usable: "
    ) as caught:
        studio.launch(trials=6)
    assert caught.value.exit_code == 4
    assert path.read_bytes() == content, "it is left as it was, for whoever mends it"
