"""A database's password may stay in the driver's own file, and no error repeats it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hinet_search.common.errors import EnvironmentFault
from hinet_search.storage.engine import connect
from tests.security.passwords import FORMS, PASSWORD, asking_server


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that asks ann for her password."""
    with asking_server(tmp_path_factory.mktemp("secrets")) as address:
        yield address


def bare(url: str) -> str:
    """The URL without its password."""
    assert FORMS[1] in url
    return url.replace(f":{FORMS[1]}@", "@")


@pytest.mark.postgres
def test_a_password_may_stay_in_a_file_of_the_drivers_own(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect(url, create=True).close()
    with pytest.raises(EnvironmentFault, match="no password supplied"):
        connect(bare(url))
    passwords = tmp_path / "passwords"
    passwords.write_text(f"*:*:*:ann:{PASSWORD}\n")
    passwords.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(passwords))
    connect(bare(url)).close()


@pytest.mark.postgres
def test_a_wrong_password_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(EnvironmentFault, match="password authentication failed") as caught:
        connect(url.replace("a{}", "wr0ng{}"))
    assert "wr0ng" not in str(caught.value)
