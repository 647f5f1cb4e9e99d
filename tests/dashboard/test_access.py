"""The guard in front of a dashboard: every request that it refuses, and what it adds to every answer."""

from collections.abc import Iterable
from dataclasses import dataclass
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest

from hinet_search.common.errors import ConfigurationError
from hinet_search.dashboard.access import Access, guard

TOKEN = "a-token-of-some-length"
OTHERS = Access("10.0.0.5", 80, token=TOKEN)


@dataclass(frozen=True)
class Answer:
    status: int
    text: str
    headers: dict[str, str]


def bare(environment: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
    """As optuna-dashboard answers: any site may read it."""
    start(
        "200 OK",
        [
            ("Content-Type", "text/html"),
            ("access-control-allow-origin", "*"),
            *_policy(environment),
        ],
    )
    return [b"done"]


def _policy(environment: WSGIEnvironment) -> list[tuple[str, str]]:
    is_page = environment["PATH_INFO"] == "/dashboard"
    return [("content-security-policy", "default-src 'self'")] if is_page else []


def ask(access: Access, method: str = "GET", path: str = "/dashboard", **headers: str) -> Answer:
    """What the guarded application answers to one request, by default under its own name."""
    said: list[tuple[str, list[tuple[str, str]]]] = []
    path, _, query = path.partition("?")
    environment = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "HTTP_HOST": f"{access.host}:{access.port}",
        **headers,
    }
    body = b"".join(
        guard(bare, access)(environment, lambda status, headers, *_: said.append((status, headers)))
    )
    ((status, sent),) = said
    names = [name for name, _ in sent]
    assert len(set(names)) == len(names), "no header is sent twice"
    return Answer(int(status.split()[0]), body.decode(), dict(sent))


# Host


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "127.0.0.1", "127.0.0.1:1", "0.0.0.0:8080", ""]
)
def test_another_host_is_refused(host: str) -> None:
    assert ask(Access(), HTTP_HOST=host).status == 403


def test_a_request_without_a_host_is_refused() -> None:
    environment = {"REQUEST_METHOD": "GET", "PATH_INFO": "/"}
    said: list[str] = []
    guard(bare, Access())(environment, lambda status, _headers: said.append(status))
    assert said == ["403 Forbidden"]


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "localhost:8080", "LOCALHOST:8080"])
def test_this_machines_own_names_are_answered(host: str) -> None:
    assert ask(Access(), HTTP_HOST=host).status == 200


def test_loopback_of_ipv6_has_brackets() -> None:
    assert ask(Access("::1"), HTTP_HOST="[::1]:8080").status == 200


@pytest.mark.parametrize(
    ("host", "status"),
    [("studies.example", 200), ("studies.example:80", 200), ("localhost:80", 403)],
)
def test_a_name_is_answered_with_and_without_the_port(host: str, status: int) -> None:
    access = Access("0.0.0.0", 80, names=("studies.example",), token=TOKEN)
    assert ask(access, HTTP_HOST=host, HTTP_AUTHORIZATION=f"Bearer {TOKEN}").status == status


@pytest.mark.parametrize("path", ["//artifacts/1/ab", "/artifacts//1/ab", "/arti\xfffacts/1/ab"])
def test_a_path_that_the_application_would_read_as_another_is_refused(path: str) -> None:
    assert ask(Access(), path=path).status == 400


# Token


@pytest.mark.parametrize(
    "access",
    [
        Access(token="short"),
        Access(token=""),
        Access(token="fifteen chars.."),
        Access(token="späces and ümlauts"),
    ],
)
def test_a_token_that_can_be_guessed_or_sent_in_no_header_is_refused(access: Access) -> None:
    with pytest.raises(
        ConfigurationError, match=r"a token must be at least 16 letters, digits or signs, got \d+"
    ):
        access.check()


@pytest.mark.parametrize("host", ["10.0.0.5", "0.0.0.0", "::", "", "my-machine"])
def test_without_a_token_no_other_machine_is_let_in(host: str) -> None:
    with pytest.raises(
        ConfigurationError,
        match="lets other machines in, so it needs a token\nset HINET_SEARCH_TOKEN",
    ):
        Access(host).check()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_on_loopback_no_token_is_needed(host: str) -> None:
    Access(host).check()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
def test_every_address_at_once_needs_a_name(host: str) -> None:
    with pytest.raises(
        ConfigurationError, match="so --host-name must give the name that browsers use"
    ):
        Access(host, token=TOKEN).check()
    Access(host, token=TOKEN, names=("studies.example",)).check()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"HTTP_AUTHORIZATION": "Bearer another-token-of-length"},
        {"HTTP_AUTHORIZATION": f"Basic {TOKEN}"},
        {"HTTP_AUTHORIZATION": "Bearer tök\xffen"},
        {"HTTP_AUTHORIZATION": "Bearer"},
        {"HTTP_COOKIE": f"hinet_search_80={TOKEN}"},
        {"HTTP_COOKIE": "hinet_search_80="},
        {"HTTP_COOKIE": ";;="},
    ],
)
def test_a_request_without_the_token_is_asked_for_it(headers: dict[str, str]) -> None:
    answer = ask(OTHERS, path="/api/studies", **headers)
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert "needs its token" in answer.text


def test_a_browser_turns_the_token_in_the_address_into_a_cookie() -> None:
    signed_in = ask(OTHERS, path=f"/?token={TOKEN}")
    cookie, *kind = signed_in.headers["Set-Cookie"].split("; ")
    assert kind == ["Path=/", "HttpOnly", "SameSite=Strict"]
    assert TOKEN not in cookie + signed_in.text
    assert signed_in.headers["Cache-Control"] == "no-store"
    assert ask(OTHERS, HTTP_COOKIE=f"other=1; {cookie}").text == "done"


def test_another_token_makes_old_cookies_void() -> None:
    cookie = ask(OTHERS, path=f"/?token={TOKEN}").headers["Set-Cookie"].partition(";")[0]
    assert (
        ask(Access("10.0.0.5", 80, token="another-token-of-length"), HTTP_COOKIE=cookie).status
        == 401
    )


def test_a_token_is_not_in_what_may_be_printed() -> None:
    assert TOKEN not in repr(OTHERS)


# Changes


# Answers


def test_nothing_runs_in_an_answer_without_a_policy_of_its_own() -> None:
    assert (
        ask(Access(), path="/api/studies").headers["Content-Security-Policy"]
        == "sandbox; default-src 'none'"
    )


def test_a_page_keeps_its_own_policy() -> None:
    assert ask(Access()).headers["content-security-policy"] == "default-src 'self'"


# Form


@pytest.mark.parametrize("path", ["/csv/9999999999999999999", "/study/1234567890123456789/x"])
def test_a_number_that_no_database_has_is_refused_in_a_path(path: str) -> None:
    assert ask(Access(), path=path).status == 400


@pytest.mark.parametrize("length", ["x", "-1", "12", "9" * 5000])
def test_a_body_is_refused(length: str) -> None:
    answer = ask(Access(), path="/api/studies", CONTENT_LENGTH=length)
    assert (answer.status, answer.text) == (400, "a request that reads has no body\n")


@pytest.mark.parametrize("length", ["", "0"])
def test_an_empty_body_passes(length: str) -> None:
    assert ask(Access(), path="/api/studies", CONTENT_LENGTH=length).status == 200
