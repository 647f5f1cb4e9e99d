"""Guard: access control for the dashboard, a WSGI application around another one.

optuna-dashboard has no authentication, answers to any Host, and lets a page of any site delete a
study. The guard lets a request pass only if its Host is one of the dashboard's (another name may
resolve to this machine), if it has the token where one is set, and if it reads; where writing is
allowed, also if it comes from a page of this dashboard. Responses without a content security policy
get one under which no script runs, and artifacts are served as downloads, never as pages.
"""

import errno
import hmac
import io
import ipaddress
import re
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import parse_qs
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from hinet_search.common.errors import ConfigurationError, EnvironmentFault

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
_CHANGING = ("POST", "PUT", "DELETE")
MOST_DIGITS = 18  # of a number in a path: database keys are below 2**63
MOST_BODY_BYTES = 10_000_000
_SANDBOX = ("Content-Security-Policy", "sandbox; default-src 'none'")
_ATTACHMENT = ("Content-Disposition", "attachment")
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
    """Where a dashboard listens and what clients may do; `names` are further host names of it."""

    host: str = LOOPBACK
    port: int = 8080
    names: tuple[str, ...] = ()
    token: str | None = field(default=None, repr=False)
    writable: bool = False

    def check(self) -> None:
        """Raise ConfigurationError if other machines get in without a token or by any name."""
        check_token(self.host, self.port, self.token)
        if self.host in EVERY_ADDRESS and not self.names:
            raise ConfigurationError(
                f"--host {self.host or repr('')} listens on every address of this machine, "
                "so --host-name must give the name that browsers use",
                remedy="add --host-name studies.example, or give a single address as --host",
            )

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        return is_local(self.host)

    def hosts(self) -> frozenset[str]:
        """Return the accepted Host headers; `names` also without a port, for a proxy in front."""
        return accepted_hosts(self.host, self.port, self.names)


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
        refusal = (
            _check_place(environment, hosts)
            or _check_token(environment, access)
            or _check_method(environment, access)
            or _check_length(environment)
            or _read_body(environment)
        )
        if refusal is not None:
            return refusal.send(start)
        environment.setdefault("HTTP_ACCEPT_ENCODING", "")  # optuna-dashboard fails without it
        is_artifact = environment["PATH_INFO"].startswith("/artifacts/")
        return application(environment, _with_headers(start, is_artifact=is_artifact))

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


def _check_length(environment: WSGIEnvironment) -> _Answer | None:
    """Refuse a body whose length is invalid or too large."""
    length = environment.get("CONTENT_LENGTH") or "0"
    if length.isascii() and length.isdigit() and int(length[: MOST_DIGITS + 1]) <= MOST_BODY_BYTES:
        return None
    return _Answer(
        "400 Bad Request",
        f"Content-Length must be a whole number of at most {MOST_BODY_BYTES} bytes",
    )


def _read_body(environment: WSGIEnvironment) -> _Answer | None:
    """Read the body before the application is asked; refuse one that does not arrive."""
    length = int(environment.get("CONTENT_LENGTH") or "0")
    if environment["REQUEST_METHOD"] in _READING or not length:
        return None
    try:
        body = environment["wsgi.input"].read(length)
    except TimeoutError:
        return _Answer("408 Request Timeout", "the request must arrive in time")
    if len(body) < length:
        return _Answer("400 Bad Request", "the body must be as long as Content-Length says")
    environment["wsgi.input"] = io.BytesIO(body)
    return None


def _check_token(environment: WSGIEnvironment, access: Access) -> _Answer | None:
    """Refuse a request without the token; answer one with the token in its URL with a cookie."""
    token = access.token
    if token is None:
        return None
    cookie = _cookie(token, access.port)
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


def _check_method(environment: WSGIEnvironment, access: Access) -> _Answer | None:
    """Refuse a change unless changes are allowed and the request comes from this dashboard."""
    method = environment["REQUEST_METHOD"]
    allowed = (*_READING, *_CHANGING) if access.writable else _READING
    if method not in allowed:
        reason = "this dashboard is read-only"
        if access.writable:
            reason = f"this dashboard allows {', '.join(allowed)}"
        return _Answer("405 Method Not Allowed", reason, (("Allow", ", ".join(allowed)),))
    own = {f"{scheme}://{environment['HTTP_HOST'].lower()}" for scheme in ("http", "https")}
    site = environment.get("HTTP_SEC_FETCH_SITE", "same-origin")  # older browsers send none
    is_own_page = environment.get("HTTP_ORIGIN", "").lower() in own and site == "same-origin"
    if method in _CHANGING and not is_own_page:
        return _Answer("403 Forbidden", "a change must come from a page of this dashboard")
    return None


def _cookie(token: str, port: int) -> str:
    """The cookie that proves knowledge of the token; the ports of a host share their cookies."""
    proof = hmac.new(token.encode(), b"hinet-search dashboard", "sha256").hexdigest()
    return f"hinet_search_{port}={proof}"


def _with_headers(start: StartResponse, *, is_artifact: bool) -> StartResponse:
    """Drop headers that let other sites read a response, and add those that prevent it."""
    ours = list(SAFE_HEADERS)
    if is_artifact:
        ours += [_SANDBOX, _ATTACHMENT]
    replaced = {name.lower() for name, _ in ours}

    def is_passed_on(name: str) -> bool:
        return name not in replaced and not name.startswith("access-control-")

    def started(
        status: str, headers: list[_Header], error: _Error = None, /
    ) -> Callable[[bytes], object]:
        names = {name.lower() for name, _ in headers} | replaced
        policy = [] if _SANDBOX[0].lower() in names else [_SANDBOX]
        passed_on = [(name, value) for name, value in headers if is_passed_on(name.lower())]
        return start(status, [*passed_on, *policy, *ours], error)

    return started


def check_token(host: str, port: int, token: str | None) -> None:
    """Raise ConfigurationError for a weak token, or if other machines get in without one."""
    if token is not None and not TOKEN.fullmatch(token):
        raise ConfigurationError(
            f"a token must be at least 16 letters, digits or signs, got {len(token)} characters",
            remedy="create one with openssl rand -hex 16",
        )
    if token is None and not is_local(host):
        raise ConfigurationError(
            f"--host {host or repr('')} lets other machines in, so it needs a token",
            remedy="set HINET_SEARCH_TOKEN to 16 or more characters (openssl rand -hex 16), "
            f"or keep {LOOPBACK} and use a tunnel: "
            f"ssh -L {port}:{LOOPBACK}:{port} THIS_MACHINE",
        )


def is_local(host: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def accepted_hosts(host: str, port: int, names: Iterable[str] = ()) -> frozenset[str]:
    """Return the Host headers of an address and of `names`, these also without a port."""
    names = list(names)
    hosts = [in_url(host), *names]
    if is_local(host):
        hosts.append("localhost")
    with_port = [f"{each}:{port}" for each in hosts]
    return frozenset(each.lower() for each in [*names, *with_port])


def in_url(host: str) -> str:
    """Return a host as URLs write it: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def is_equal(secret: str, sent: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(secret.encode(), sent.encode("utf-8", "replace"))


def address_family(host: str) -> socket.AddressFamily:
    """Return the family of an address."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def unusable_port(host: str, port: int, error: OSError | OverflowError) -> EnvironmentFault:
    """Return the error for an address that cannot be listened on."""
    in_use = isinstance(error, OSError) and error.errno == errno.EADDRINUSE
    reason = "another program listens there" if in_use else str(error)
    return EnvironmentFault(
        f"port {port} of {host} cannot be used: {reason}", remedy="choose another one with --port"
    )
