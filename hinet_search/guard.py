"""Guard: who may ask the dashboard, and for what; an application of the web around another one.

optuna-dashboard asks nobody who they are, answers to any name, and lets a page of any site delete a study. Here a
request is answered only if its Host is one of ours (a foreign name may lead to this machine too), if it brings the
token where there is one, and if it reads; where writing is allowed, also if it comes from a page of this dashboard.
Nothing runs in an answer that brings no policy of its own, and an artifact is a file to save, never a page.
"""

import hmac
import ipaddress
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import parse_qs
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from hinet_search.errors import ConfigurationError

LOOPBACK = "127.0.0.1"
TOKEN = re.compile(r"[!-~]{16,}")
_EVERY_ADDRESS = ("", "0.0.0.0", "::")  # noqa: S104 -- known here in order to be refused without a name
_READING = ("GET", "HEAD")
_CHANGING = ("POST", "PUT", "DELETE")
_HEADERS = [
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
]
_SANDBOX = ("Content-Security-Policy", "sandbox; default-src 'none'")
_ATTACHMENT = ("Content-Disposition", "attachment")
_ASK = """<!doctype html><meta charset="utf-8"><title>hinet-search</title>
<form action="/"><label>This dashboard needs its token: <input name="token" type="password" autofocus></label>
<button>Open</button></form>
"""
# The next page is asked for by this one, so the cookie is sent with it wherever the link to this one stood.
_SIGNED_IN = """<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=/">
<title>hinet-search</title><a href="/">To the dashboard</a>
"""

_Error = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None] | None
_Header = tuple[str, str]


@dataclass(frozen=True)
class Access:
    """Where a dashboard listens, and who may do what there. `names` are what browsers call this machine, beside `host`."""

    host: str = LOOPBACK
    port: int = 8080
    names: tuple[str, ...] = ()
    token: str | None = field(default=None, repr=False)
    writable: bool = False

    def check(self) -> None:
        """ConfigurationError unless whoever is let in was meant to be."""
        if self.token is not None and not TOKEN.fullmatch(self.token):
            raise ConfigurationError(
                f"a token must be at least 16 letters, digits or signs, got {len(self.token)} characters",
                remedy="openssl rand -hex 16 makes one",
            )
        if self.is_local:
            return
        if self.token is None:
            raise ConfigurationError(
                f"--host {self.host or repr('')} lets other machines in, so it needs a token",
                remedy=f"set HINET_SEARCH_TOKEN to 16 or more characters (openssl rand -hex 16), or keep {LOOPBACK} "
                f"and use a tunnel: ssh -L {self.port}:{LOOPBACK}:{self.port} THIS_MACHINE",
            )
        if self.host in _EVERY_ADDRESS and not self.names:
            raise ConfigurationError(
                f"--host {self.host or repr('')} is every address of this machine, so --name must say what browsers call it",
                remedy="--name studies.example, or the one address as --host",
            )

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        try:
            return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def hosts(self) -> frozenset[str]:
        """The Host headers that mean this dashboard. A name may stand behind a proxy, so it goes without a port too."""
        bound = [f"[{self.host}]" if ":" in self.host else self.host, *(["localhost"] if self.is_local else [])]
        return frozenset(
            name.lower() for name in [*self.names, *(f"{one}:{self.port}" for one in [*bound, *self.names])]
        )


@dataclass(frozen=True)
class _Answer:
    """What the guard says in place of the application: one line of text, or a page of ours with a form or a link."""

    status: str
    text: str
    headers: tuple[_Header, ...] = ()

    def give(self, start: StartResponse) -> Iterable[bytes]:
        """As an application answers."""
        is_page = self.text.startswith("<")
        policy = ("Content-Security-Policy", "default-src 'none'; form-action 'self'") if is_page else _SANDBOX
        body = (self.text if is_page else f"{self.text}\n").encode()
        kind = ("Content-Type", f"text/{'html' if is_page else 'plain'}; charset=utf-8")
        of_body = [kind, ("Content-Length", str(len(body))), ("Cache-Control", "no-store"), policy]
        start(self.status, [*of_body, *_HEADERS, *self.headers])
        return [body]


def guard(application: WSGIApplication, access: Access) -> WSGIApplication:
    """The application, for those whom `access` lets in."""
    hosts = access.hosts()

    def guarded(environment: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        ours = _of_place(environment, hosts) or _of_token(environment, access) or _of_method(environment, access)
        if ours is not None:
            return ours.give(start)
        environment.setdefault("HTTP_ACCEPT_ENCODING", "")  # the dashboard fails where a client names none
        is_artifact = environment["PATH_INFO"].startswith("/artifacts/")
        return application(environment, _with_headers(start, is_artifact=is_artifact))

    return guarded


def _of_place(environment: WSGIEnvironment, hosts: frozenset[str]) -> _Answer | None:
    """What is said to a request for another machine, or for a path that the application would read as another one."""
    path = environment["PATH_INFO"]
    if environment.get("HTTP_HOST", "").lower() not in hosts:
        return _Answer("403 Forbidden", "this dashboard answers on its own address only")
    if "//" in path or not path.isascii():
        return _Answer("400 Bad Request", "a path must be ASCII without //")
    return None


def _of_token(environment: WSGIEnvironment, access: Access) -> _Answer | None:
    """What is said to a request that brings no token, or that turns the one in its address into a cookie."""
    token = access.token
    if token is None:
        return None
    cookie = _cookie(token, access.port)
    given = parse_qs(environment.get("QUERY_STRING", "")).get("token", [""])[0]
    if environment["REQUEST_METHOD"] == "GET" and _is(token, given):
        return _Answer("200 OK", _SIGNED_IN, (("Set-Cookie", f"{cookie}; Path=/; HttpOnly; SameSite=Strict"),))
    if _is(f"Bearer {token}", environment.get("HTTP_AUTHORIZATION", "")):
        return None
    if any(_is(cookie, one.strip()) for one in environment.get("HTTP_COOKIE", "").split(";")):
        return None
    return _Answer("401 Unauthorized", _ASK, (("WWW-Authenticate", "Bearer"),))


def _of_method(environment: WSGIEnvironment, access: Access) -> _Answer | None:
    """What is said to a request that would change something and may not."""
    method = environment["REQUEST_METHOD"]
    allowed = (*_READING, *(_CHANGING if access.writable else ()))
    if method not in allowed:
        reason = (
            f"this dashboard allows {', '.join(allowed)}" if access.writable else "this dashboard is for reading only"
        )
        return _Answer("405 Method Not Allowed", reason, (("Allow", ", ".join(allowed)),))
    if method in _CHANGING and not _comes_from_here(environment):
        return _Answer("403 Forbidden", "what changes something must come from a page of this dashboard")
    return None


def _cookie(token: str, port: int) -> str:
    """A browser's proof that it knew the token; another token makes it void. All ports of a machine share cookies."""
    proof = hmac.new(token.encode(), b"hinet-search dashboard", "sha256").hexdigest()
    return f"hinet_search_{port}={proof}"


def _is(secret: str, given: str) -> bool:
    """Takes as long for a near miss as for a far one."""
    return hmac.compare_digest(secret.encode(), given.encode("utf-8", "replace"))


def _comes_from_here(environment: WSGIEnvironment) -> bool:
    own = {f"{scheme}://{environment['HTTP_HOST'].lower()}" for scheme in ("http", "https")}
    site = environment.get("HTTP_SEC_FETCH_SITE", "same-origin")  # older browsers send none
    return environment.get("HTTP_ORIGIN", "").lower() in own and site == "same-origin"


def _with_headers(start: StartResponse, *, is_artifact: bool) -> StartResponse:
    """What lets other sites read is dropped, what keeps them out is added."""
    ours = [*_HEADERS, *([_SANDBOX, _ATTACHMENT] if is_artifact else [])]
    replaced = {name.lower() for name, _ in ours}

    def started(status: str, headers: list[_Header], error: _Error = None, /) -> Callable[[bytes], object]:
        names = {name.lower() for name, _ in headers} | replaced
        policy = [] if _SANDBOX[0].lower() in names else [_SANDBOX]
        kept = [(name, value) for name, value in headers if name.lower() not in replaced]
        kept = [(name, value) for name, value in kept if not name.lower().startswith("access-control-")]
        return start(status, [*kept, *policy, *ours], error)

    return started
