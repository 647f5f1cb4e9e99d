"""Every route of the dashboard: without a token, with a wrong one, and by other methods."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import product
from pathlib import Path

import pytest

from tests.dashboard.served import serving
from tests.storage.small_study import small_study
from tests.waiting import LIMIT_SECONDS

TOKEN = "a-token-of-some-length"
PATHS = (
    "/",
    "/study/small",
    "/study/none",
    "/study/",
    "/optuna/",
    "/dashboard",
    "/dashboard/studies/1",
    "/api/meta",
    "/api/studies",
    "/api/studies/1",
    "/api/studies/9",
    "/api/studies/1/param_importances",
    "/api/studies/1/rename",
    "/api/studies/1/1/note",
    "/api/trials/1/tell",
    "/api/trials/1/user-attrs",
    "/api/compare-studies",
    "/csv/1",
    "/csv/9",
    "/artifacts/1/a",
    "/artifacts/1/1/a",
    "/static/bundle.js",
    "/static/../x",
    "/favicon.ico",
    "/nothing",
)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW")
WRONG = (
    {},
    {"Authorization": "Bearer another-token-of-that-length"},
    {"Authorization": TOKEN},
    {"Authorization": f"Basic {TOKEN}"},
    {"Cookie": "hinet_search_80=0; token=" + TOKEN},
)


@dataclass(frozen=True)
class Served:
    """A dashboard, and the file of its database."""

    port: int
    file: Path

    def ask(self, method: str, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=LIMIT_SECONDS)) as connection:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.headers), answer.read()


@pytest.fixture(scope="module", params=["with a token", "read-only"])
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    file = tmp_path_factory.mktemp("routes") / "h.db"
    small_study(file).close()
    access = {"token": TOKEN} if request.param == "with a token" else {}
    with serving(str(file), **access) as port:
        yield Served(port, file)


@pytest.mark.parametrize("served", ["with a token"], indirect=True)
def test_without_the_token_no_route_and_no_method_answers(served: Served) -> None:
    before = served.file.read_bytes()
    statuses = Counter[int]()
    for path, method, headers in product(PATHS, METHODS, WRONG):
        status, _, body = served.ask(method, path, **headers)
        statuses[status] += 1
        assert b"small" not in body, (path, method, headers)
    assert set(statuses) <= {400, 401}, statuses
    assert statuses.total() == 1_125
    assert served.file.read_bytes() == before


@pytest.mark.parametrize("served", ["read-only"], indirect=True)
def test_what_is_read_answers_in_words_and_cannot_be_framed_or_sniffed(served: Served) -> None:
    for path, method in product(PATHS, METHODS[:2]):
        status, headers, _ = served.ask(method, path)
        assert status < 500, (path, status)
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "Content-Security-Policy" in headers


@pytest.mark.parametrize("served", ["read-only"], indirect=True)
def test_no_route_changes_anything(served: Served) -> None:
    before = served.file.read_bytes()
    for path, method in product(PATHS, METHODS[2:]):
        status, sent, _ = served.ask(method, path, Origin=f"http://127.0.0.1:{served.port}")
        assert status in (400, 405), (path, method, status)
        assert "access-control-allow-origin" not in {name.lower() for name in sent}
    assert served.file.read_bytes() == before
