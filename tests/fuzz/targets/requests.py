"""Requests: what the dashboard answers to any bytes."""

import io
import shutil
import sys
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from tests.fuzz.faults import Fault, of_text
from tests.fuzz.inputs import byte_edits, edited_bytes
from tests.fuzz.targets import database

TOKEN = "0123456789abcdef"
SECRETS = (b"small", b"mean_auc")
KINDS = ("reading", "with a token", "writing")
PATHS = (
    "/",
    "/study/small",
    "/study/other",
    "/study/",
    "/study/%73mall",
    "/study/..%2f..%2fetc%2fpasswd",
    "/study/%00",
    "/study/\x1b",
    "/study/small/x",
    "/study/%E6%8E%A8",
    "/study/" + "a" * 5000,
    "/optuna",
    "/optuna/",
    "/dashboard",
    "/dashboard/studies/1",
    "/dashboard/x",
    "/api/studies",
    "/api/studies/1",
    "/api/studies/3",
    "/api/studies/99",
    "/api/studies/-1",
    "/api/studies/99999999999999999999",
    "/api/studies/1/param_importances",
    "/api/studies/99/param_importances",
    "/api/studies/1/param_importances?evaluator=x",
    "/api/studies/1/plot/contour",
    "/api/studies/1/plot/x",
    "/api/studies/1/directions",
    "/api/compare-studies/plot/edf",
    "/api/meta",
    "/csv/1",
    "/csv/99",
    "/csv/x",
    "/csv/99999999999999999999",
    "/csv",
    "/static/bundle.js",
    "/static/../../../etc/passwd",
    "/static/%2e%2e/%2e%2e/etc/passwd",
    "/static/",
    "/artifacts/1/1",
    "/artifacts/99/x",
    "/favicon.ico",
    "//",
    "/a//b",
    "/%2f%2fexample.org",
    "*",
    "",
    "http://example.org/",
    "/api/studies/1/user-attrs",
    "/api/studies/1/note",
    "/api/trials/1/user-attrs",
    "/api/studies/1/1/note",
    "/api/studies/1/rename",
    "/api/studies",
    "/api/artifacts/1/1",
    "/api/llm/get_trial_filtering_func",
    "/slices/1/1",
    "/api/studies/1?after=x",
    "/api/studies/1?after=-1",
    "/api/studies/1?after=99999999999999999999",
    "/api/studies/1/preferential-history",
    "/api/studies/1/plot/slice?param=x",
    "/api/studies/1/preference",
    "/?token=" + TOKEN,
    "/?token=x",
    "/?token=%ff",
    "/?token=\xff",
    "/?" + "&".join(["token=x"] * 2000),
    "/?" + "a" * 60_000,
)
METHODS = (
    "GET",
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "PATCH",
    "OPTIONS",
    "TRACE",
    "CONNECT",
    "get",
    "X",
    "G\x00T",
    "",
    "GET GET",
)
HEADERS = (
    "Host: {host}",
    "Host: evil.example",
    "Host:",
    "Host: {host}\r\nHost: evil.example",
    "Host: \xff",
    "Accept-Encoding: gzip",
    "Accept-Encoding: x;q=y",
    "Accept-Encoding: \xff",
    "If-None-Match: *",
    'If-None-Match: "x"',
    "If-Modified-Since: x",
    "If-Modified-Since: Thu, 99 Foo 9999 99:99:99 GMT",
    "Range: bytes=0-",
    "Range: bytes=9-1",
    "Range: bytes=-99999999999999999999",
    "Range: x",
    "Cookie: {cookie}",
    "Cookie: a=b; ; =; \xff",
    "Cookie: " + "a=b;" * 5000,
    "Authorization: Bearer {token}",
    "Authorization: Bearer \xff",
    "Authorization: Basic eDp5",
    "Authorization:",
    "Content-Length: 3",
    "Content-Length: -1",
    "Content-Length: x",
    "Content-Length: 99999999999999999999",
    "Transfer-Encoding: chunked",
    "Content-Type: application/json",
    "Content-Type: multipart/form-data; boundary=x",
    "Content-Type: x",
    "Origin: http://{host}",
    "Origin: http://evil.example",
    "Origin: null",
    "Sec-Fetch-Site: cross-site",
    "Expect: 100-continue",
    "Connection: keep-alive",
    "Upgrade: websocket",
    "X: " + "y" * 70_000,
    "no colon",
    ": x",
    " folded: x",
    "A: b\x00c",
    "A: \x1b[31m",
)
BODIES = (
    b"",
    b"{}",
    b"[]",
    b"[1]",
    b"null",
    b"{",
    b"\xff",
    b'{"study_name": "x", "directions": ["minimize"]}',
    b'{"tags": 1}',
    b'{"body": "x", "version": 99}',
    b"[" * 100_000,
    b"3\r\nabc\r\n0\r\n\r\n",
    b"--x\r\n\r\n--x--",
)
OF_OPTUNA = b'{"reason": "this could not be answered: '  # what optuna-dashboard cannot read
ASKING = "GET {path} HTTP/1.1\r\nHost: {{host}}\r\n\r\n"


def _get(path: str) -> tuple[str, bytes]:
    return "reading", ASKING.format(path=path).encode("latin-1")


def _said(kind: str, method: str, path: str, *headers: str, body: bytes = b"") -> tuple[str, bytes]:
    sized = (
        [f"Content-Length: {len(body)}"]
        if body and not any(header.startswith("Content-Length") for header in headers)
        else []
    )
    head = "\r\n".join([f"{method} {path} HTTP/1.1", *headers, *sized, "", ""])
    return kind, head.encode("latin-1", "replace") + body


HOST = "Host: {host}"
SEEDS = {
    **{f"a path: {path[:60]!a}": _get(path) for path in PATHS},
    "a foreign host": _said("reading", "GET", "/", "Host: evil.example"),
    "two hosts": _said("reading", "GET", "/", HOST, "Host: evil.example"),
    "no host": _said("reading", "GET", "/"),
    "no token": _said("with a token", "GET", "/study/small", HOST),
    "a token in a cookie": _said("with a token", "GET", "/study/small", HOST, "Cookie: {cookie}"),
    "a token of bytes": _said(
        "with a token", "GET", "/study/small", HOST, "Authorization: Bearer \xff"
    ),
    "a token of half a character": _said("with a token", "GET", "/?token=%ED%A0%80", HOST),
    "a body that is no JSON": _said(
        "writing",
        "POST",
        "/api/studies",
        HOST,
        "Origin: http://{host}",
        "Content-Type: application/json",
        body=b"{",
    ),
    "a body that is deep": _said(
        "writing",
        "POST",
        "/api/studies",
        HOST,
        "Origin: http://{host}",
        "Content-Type: application/json",
        body=b"[" * 100_000,
    ),
    "a length that is no number": _said(
        "writing", "POST", "/api/studies", HOST, "Origin: http://{host}", "Content-Length: x"
    ),
    "a length under nothing": _said(
        "writing", "POST", "/api/studies", HOST, "Origin: http://{host}", "Content-Length: -1"
    ),
    "a range the other way": _said("reading", "GET", "/static/bundle.js", HOST, "Range: bytes=9-1"),
    "a date that is none": _said(
        "reading",
        "GET",
        "/static/bundle.js",
        HOST,
        "If-Modified-Since: Thu, 99 Foo 9999 99:99:99 GMT",
    ),
    "no request": ("reading", b""),
    "a line that does not end": ("reading", b"GET / HTTP/1.1"),
    "a version of the past": ("reading", b"GET /\r\n\r\n"),
    "a version of the future": ("reading", b"GET / HTTP/9.9\r\nHost: {host}\r\n\r\n"),
    "a hundred headers": _said("reading", "GET", "/", HOST, *["A: b"] * 200),
}


def inputs() -> st.SearchStrategy[tuple[str, bytes]]:
    """Requests of known parts, and with other bytes."""
    path = st.sampled_from(PATHS) | st.text(
        st.characters(max_codepoint=255, exclude_characters=" \r\n"), max_size=10
    ).map(lambda text: "/" + text)
    whole = st.builds(
        lambda kind, method, path, host, headers, body: _said(
            kind, method, path, *host, *headers, body=body
        ),
        st.sampled_from(KINDS),
        st.sampled_from(["GET", *METHODS]),
        path,
        st.sampled_from([[HOST], [HOST, "Cookie: {cookie}", "Origin: http://{host}"], []]),
        st.lists(st.sampled_from(HEADERS), max_size=3),
        st.sampled_from(BODIES) | st.binary(max_size=20),
    )
    damaged = st.builds(
        lambda request, edits: (request[0], edited_bytes(request[1], edits)), whole, byte_edits(80)
    )
    return whole | damaged


class _Socket:
    """A connection on which a request came and an answer is kept."""

    def __init__(self, request: bytes) -> None:
        self._request = io.BytesIO(request)
        self.answer = bytearray()

    def makefile(self, *_: object) -> io.BytesIO:
        """What came."""
        return self._request

    def recv_into(self, buffer: bytearray) -> int:
        """What came, as far as it fits."""
        return self._request.readinto(buffer)

    def sendall(self, content: bytes) -> None:
        """What is answered."""
        self.answer += content

    def settimeout(self, _: object) -> None:
        """Nothing waits here."""


class State:
    """Applications over one database, which a change of it renews."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.path = home / "dashboard.db"
        self.servers: dict[str, Any] = {}
        self.renew()

    def renew(self) -> None:
        """A database as it was, and applications over it."""
        from hinet_search.dashboard.access import Access
        from hinet_search.dashboard.server import make_server

        for server in self.servers.values():
            server.server_close()
        for file in self.home.glob("dashboard.db*"):
            file.unlink()
        shutil.copyfile(database.begin(self.home), self.path)
        kinds = {"reading": {}, "with a token": {"token": TOKEN}, "writing": {"writable": True}}
        self.servers = {
            kind: make_server(str(self.path), Access(port=0, **more))
            for kind, more in kinds.items()
        }


def begin(home: Path) -> State:
    """Applications over a database of two studies."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return State(home)


def run(given: tuple[str, bytes], state: State) -> str:
    """Send the request to an application: no answer is 500, reveals data to a stranger, or changes what is read-only."""
    from hinet_search.dashboard.access import _cookie
    from hinet_search.dashboard.server import _QuietHandler

    kind, request = given
    server = state.servers[kind]
    port = server.server_port
    names = {b"{host}": f"127.0.0.1:{port}", b"{token}": TOKEN, b"{cookie}": _cookie(TOKEN, port)}
    for name, value in names.items():
        request = request.replace(name, value.encode())
    before, connection, log = state.path.read_bytes(), _Socket(request), io.StringIO()
    with redirect_stderr(log):
        sys.stderr = log  # wsgiref asks for it when a request comes
        _QuietHandler(connection, ("127.0.0.1", 1), server)  # type: ignore[arg-type]
    head, _, body = bytes(connection.answer).partition(b"\r\n\r\n")
    status = head.split(b" ")[1].decode() if head.startswith(b"HTTP/") else "none"
    if 'File "' in log.getvalue():
        raise of_text(log.getvalue())
    of_optuna = body.startswith(OF_OPTUNA) or (request.startswith(b"HEAD ") and not body)
    if status.startswith("5") and not of_optuna:
        raise Fault("answer", f"{status} to {_route(request)}", body.decode("latin-1")[-3000:])
    told = [
        secret for secret in SECRETS if secret in body and secret not in request
    ]  # what was asked may be repeated
    if _is_stranger(kind, request, names) and told:
        raise Fault("wrong", "a stranger is told of a study", repr(body[:500]))
    if kind != "writing" and state.path.read_bytes() != before:
        raise Fault("wrong", "a request changed what is only read", repr(request[:500]))
    if kind == "writing" and state.path.read_bytes() != before:
        state.renew()
    return f"answered {status[:1]}xx" if status != "none" else "no answer"


def _route(request: bytes) -> str:
    path = request.split(b" ")[1:2]
    return "/".join(path[0].decode("latin-1").split("?")[0].split("/")[:3]) if path else "nothing"


def _is_stranger(kind: str, request: bytes, names: dict[bytes, str]) -> bool:
    """Return whether the request proves neither our address nor the token."""
    proofs = (
        [names[b"{host}"]]
        if kind != "with a token"
        else [TOKEN, names[b"{cookie}"].partition("=")[2]]
    )
    return not any(proof.encode() in request.lower() for proof in proofs)
