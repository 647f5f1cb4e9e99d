"""Guard: admit requests by Host and token, and forbid browsers to run or frame what is sent.

Without a token the server is on loopback, and a page of any site may lead a browser to it under
another name, so the Host must be its own. With a token, that is what admits a request, and its Host
may be that of any proxy. Health checks need no token.
"""

from collections.abc import Callable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hinet_search.common.access import SAFE_HEADERS, accepted_hosts, is_equal
from hinet_search.server.replies import problem_reply
from hinet_search.server.settings import Listening

OPEN_PATHS = ("/health", "/ready")
NO_CONTENT = "sandbox; default-src 'none'"
POLICY = "Content-Security-Policy"


def guarded(
    application: ASGIApp, listening: Listening, count_denied: Callable[[], None]
) -> ASGIApp:
    """Return the application with access controlled; `count_denied` is called for each refusal."""
    hosts = accepted_hosts(listening.host, listening.port)

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await application(scope, receive, send)
            return
        headers = Headers(scope=scope)

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                sent = MutableHeaders(scope=message)
                sent.update(dict(SAFE_HEADERS))
                sent["Cache-Control"] = "no-store"
                sent.setdefault(POLICY, NO_CONTENT)
            await send(message)

        token = listening.token
        authorization = headers.get("authorization", "")
        is_open = token is None or scope["path"] in OPEN_PATHS
        if len(headers.getlist("host")) > 1:
            reply = problem_reply(400, ["a request must have one Host header"])
        elif token is None and headers.get("host", "").lower() not in hosts:
            reply = problem_reply(403, ["this server answers on its own address only"])
        elif not is_open and not is_equal(f"Bearer {token}", authorization):
            ask = {"WWW-Authenticate": "Bearer"}
            problem = "this server needs its token: Authorization: Bearer TOKEN"
            reply = problem_reply(401, [problem], headers=ask)
        else:
            await application(scope, receive, send_safely)
            return
        count_denied()
        await reply(scope, receive, send_safely)

    return guard
