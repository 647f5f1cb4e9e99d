"""A database file that was damaged is told as such, with its path and exit code 4, and no study is begun over it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hinet_search.errors import EnvironmentFault
from tests.search.pretended import Studio


def cut_in_half(content: bytearray) -> None:
    """As after a copy that did not end."""
    del content[len(content) // 2 :]


def flip_the_header(content: bytearray) -> None:
    content[3] ^= 1


def flip_a_page(content: bytearray) -> None:
    """The kind of the page that names all tables."""
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
    with pytest.raises(EnvironmentFault, match=rf"^database sqlite:///{path} is not usable: ") as caught:
        studio.launch(trials=6)
    assert caught.value.exit_code == 4
    assert path.read_bytes() == content, "it is left as it was, for whoever mends it"
