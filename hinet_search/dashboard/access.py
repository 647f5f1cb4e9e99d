"""Guard: access control for the dashboard, a WSGI application around another one.

optuna-dashboard has no authentication, answers to any Host, and lets a page of any site delete a
study. The guard lets a request pass only if its Host is one of the dashboard's (another name may
resolve to this machine), if it has the token where one is set, and if it only reads. Responses
without a content security policy get one under which no script runs.
"""

import hmac
import ipaddress
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import parse_qs
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from hinet_search.common.errors import ConfigurationError

LOOPBACK = "127.0.0.1"
EVERY_ADDRESS = ("", "0.0.0.0", "::")  # noqa: S104 -- listed here to treat them apart
TOKEN = re.compile(r"[!-~]{16,}")
SAFE_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
)
_READING = ("GET", "HEAD")
MOST_DIGITS = 18  # of a number in a path: database keys are below 2**63
_SANDBOX = ("Content-Security-Policy", "sandbox; default-src 'none'")
_ASK = """<!doctype html><meta charset="utf-8"><title>hinet-search</title>
<form action="/"><label>This dashboard needs its token:
<input name="token" type="password" autofocus></label>
<button>Open</button></form>
"""
# This page requests the next one, so a SameSite cookie is sent wherever the link here came from.
_SIGNED_IN = """<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=/">
<title>hinet-search</title><a href="/">To the dashboard</a>
"""

_Error = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None] | None
_Header = tuple[str, str]


@dataclass(frozen=True)
class Access:
    """Where a dashboard listens; `names` are further host names of it."""

    host: str = LOOPBACK
    port: int = 8080
    names: tuple[str, ...] = ()
    token: str | None = field(default=None, repr=False)

    def check(self) -> None:
        """Raise ConfigurationError if other machines get in without a token or by any name."""
        if self.token is not None and not TOKEN.fullmatch(self.token):
            raise ConfigurationError(
                "a token must be at least 16 letters, digits or signs, "
                f"got {len(self.token)} characters",
                remedy="create one with openssl rand -hex 16",
            )
        if self.token is None and not _is_local(self.host):
            raise ConfigurationError(
                f"--host {self.host or repr('')} lets other machines in, so it needs a token",
                remedy="set HINET_SEARCH_TOKEN to 16 or more characters (openssl rand -hex 16), "
                f"or keep {LOOPBACK} and use a tunnel: "
                f"ssh -L {self.port}:{LOOPBACK}:{self.port} THIS_MACHINE",
            )
        if self.host in EVERY_ADDRESS and not self.names:
            raise ConfigurationError(
                f"--host {self.host or repr('')} listens on every address of this machine, "
                "so --host-name must give the name that browsers use",
                remedy="add --host-name studies.example, or give a single address as --host",
            )

    def hosts(self) -> frozenset[str]:
        """Return the accepted Host headers; `names` also without a port, for a proxy in front."""
        hosts = [in_url(self.host), *self.names]
        if _is_local(self.host):
            hosts.append("localhost")
        with_port = [f"{host}:{self.port}" for host in hosts]
        return frozenset(host.lower() for host in [*self.names, *with_port])


def _is_local(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class _Answer:
    """A response of the guard itself: one line of text, or a page with a form or a link."""

    status: str
    text: str
    headers: tuple[_Header, ...] = ()

    def send(self, start: StartResponse) -> Iterable[bytes]:
        """Respond as a WSGI application."""
        if self.text.startswith("<"):
            subtype = "html"
            body = self.text.encode()
            policy = ("Content-Security-Policy", "default-src 'none'; form-action 'self'")
        else:
            subtype = "plain"
            body = f"{self.text}\n".encode()
            policy = _SANDBOX
        content = [
            ("Content-Type", f"text/{subtype}; charset=utf-8"),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            policy,
        ]
        start(self.status, [*content, *SAFE_HEADERS, *self.headers])
        return [body]


def guard(application: WSGIApplication, access: Access) -> WSGIApplication:
    """Return the application with `access` enforced on every request."""
    hosts = access.hosts()

    def guarded(environment: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        refusal = _check_place(environment, hosts) or _check_token(environment, access)
        refusal = refusal or _check_method(environment)
        if refusal is not None:
            return refusal.send(start)
        environment.setdefault("HTTP_ACCEPT_ENCODING", "")  # optuna-dashboard fails without it
        return application(environment, _with_headers(start))

    return guarded


def _check_place(environment: WSGIEnvironment, hosts: frozenset[str]) -> _Answer | None:
    """Refuse another Host, and a path that the application would read as another path."""
    path = environment["PATH_INFO"]
    if "," in environment.get("HTTP_HOST", ""):  # several are joined
        return _Answer("400 Bad Request", "a request must have one Host header")
    if environment.get("HTTP_HOST", "").lower() not in hosts:
        return _Answer("403 Forbidden", "this dashboard answers on its own address only")
    if "//" in path or not path.isascii():
        return _Answer("400 Bad Request", "a path must be ASCII without //")
    if any(part.isdigit() and len(part) > MOST_DIGITS for part in path.split("/")):
        return _Answer(
            "400 Bad Request", f"a number in a path must have at most {MOST_DIGITS} digits"
        )
    return None


def _check_token(environment: WSGIEnvironment, access: Access) -> _Answer | None:
    """Refuse a request without the token; answer one with the token in its URL with a cookie."""
    token = access.token
    if token is None:
        return None
    # It proves knowledge of the token; the ports of a host share their cookies.
    proof = hmac.new(token.encode(), b"hinet-search dashboard", "sha256").hexdigest()
    cookie = f"hinet_search_{access.port}={proof}"
    in_url = parse_qs(environment.get("QUERY_STRING", "")).get("token", [""])[0]
    if environment["REQUEST_METHOD"] == "GET" and is_equal(token, in_url):
        set_cookie = ("Set-Cookie", f"{cookie}; Path=/; HttpOnly; SameSite=Strict")
        return _Answer("200 OK", _SIGNED_IN, (set_cookie,))
    if is_equal(f"Bearer {token}", environment.get("HTTP_AUTHORIZATION", "")):
        return None
    cookies = environment.get("HTTP_COOKIE", "").split(";")
    if any(is_equal(cookie, sent.strip()) for sent in cookies):
        return None
    return _Answer("401 Unauthorized", _ASK, (("WWW-Authenticate", "Bearer"),))


def _check_method(environment: WSGIEnvironment) -> _Answer | None:
    """Refuse what may change something, and a body, which nothing that reads has."""
    if environment["REQUEST_METHOD"] not in _READING:
        allow = ("Allow", ", ".join(_READING))
        return _Answer("405 Method Not Allowed", "this dashboard is read-only", (allow,))
    if environment.get("CONTENT_LENGTH") not in (None, "", "0"):
        return _Answer("400 Bad Request", "a request that reads has no body")
    return None


def _with_headers(start: StartResponse) -> StartResponse:
    """Drop headers that let other sites read a response, and add those that prevent it."""
    replaced = {name.lower() for name, _ in SAFE_HEADERS}

    def started(
        status: str, headers: list[_Header], error: _Error = None, /
    ) -> Callable[[bytes], object]:
        sent = list(SAFE_HEADERS)
        if _SANDBOX[0].lower() not in {name.lower() for name, _ in headers}:
            sent.append(_SANDBOX)
        for name, value in headers:
            if name.lower() not in replaced and not name.lower().startswith("access-control-"):
                sent.append((name, value))
        return start(status, sent, error)

    return started


def in_url(host: str) -> str:
    """Return a host as URLs write it: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def is_equal(secret: str, sent: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(secret.encode(), sent.encode("utf-8", "replace"))
