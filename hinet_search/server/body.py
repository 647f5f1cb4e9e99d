"""Body: read the JSON document of a request, no further than the limits allow."""

import asyncio
import json
from functools import partial
from typing import Any

from starlette.requests import ClientDisconnect, Request

from hinet_search.common.shares import Shares
from hinet_search.server.metrics import BUSY, GONE, INVALID, TOO_LARGE
from hinet_search.server.replies import RETRY, RequestRefused
from hinet_search.server.settings import Limits
from hinet_search.serving.requests.document import num_rows_of

BODY_SECONDS = 30.0
JSON = "application/json"
CLOSE = {"Connection": "close"}  # the rest of a body would be read as another request


async def read_body(request: Request, limits: Limits, unfinished: Shares) -> bytes:
    """Return the body of a request; a larger one is refused before it is read whole.

    It is one of the `unfinished` until it has arrived. RequestRefused for another content type, too
    many bytes, and a body that does not arrive or is given up for those of others.
    """
    _check_headers(request, limits)
    client = "" if request.client is None else request.client.host
    place: object | None = None
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        async with asyncio.timeout(BODY_SECONDS) as deadline:
            place = unfinished.hold(client, partial(_expire, deadline))
            content = bytearray()
            async for part in request.stream():
                content += part
                if len(content) > limits.num_bytes:
                    raise _too_many_bytes(limits, "more")
            return bytes(content)
    except TimeoutError as error:
        if loop.time() - began < BODY_SECONDS:
            problem = "too many requests of this client have not arrived whole"
            raise RequestRefused(503, BUSY, problem, headers={**RETRY, **CLOSE}) from error
        problem = f"the body must arrive within {BODY_SECONDS:.0f} s"
        raise RequestRefused(408, GONE, problem, headers=CLOSE) from error
    except ClientDisconnect as error:
        raise RequestRefused(400, GONE, "the client has gone") from error
    finally:
        unfinished.release(place)


def _expire(deadline: asyncio.Timeout) -> bool:
    """Let the time end at once; whether it can, as it may have ended."""
    if deadline.expired():
        return False
    deadline.reschedule(asyncio.get_running_loop().time())
    return True


def parse(body: bytes, limits: Limits) -> Any:
    """Return the JSON document of a body; RequestRefused for another text or too many rows."""
    try:
        document = json.loads(body.decode())
        if b"\\ud" in body.lower():  # half a character has no UTF-8
            json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        reason = type(error).__name__  # without a part of the body
        if isinstance(error, json.JSONDecodeError):
            reason = f"{error.msg} at character {error.pos:,}"
        elif isinstance(error, RecursionError):
            reason = "it is nested too deeply"
        problem = f"the body must be JSON in UTF-8, but is not: {reason}"
        raise RequestRefused(400, INVALID, problem) from error
    num_rows = num_rows_of(document)
    if num_rows > limits.rows:
        raise RequestRefused(
            413,
            TOO_LARGE,
            f"a request must have at most {limits.rows:,} rows, got {num_rows:,}",
            remedy="send fewer rows at once, or start the server with a larger --max-rows",
        )
    return document


def _check_headers(request: Request, limits: Limits) -> None:
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != JSON:
        problem = f"Content-Type must be {JSON}, got {content_type!a:.100}"
        raise RequestRefused(415, INVALID, problem, remedy=f"send the header Content-Type: {JSON}")
    encoding = request.headers.get("content-encoding", "identity")
    if encoding != "identity":
        problem = f"the body must not be compressed, got Content-Encoding {encoding!a:.100}"
        raise RequestRefused(415, INVALID, problem)
    length = request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length[:19]) > limits.num_bytes:
        raise _too_many_bytes(limits, f"{int(length[:19]):,}")


def _too_many_bytes(limits: Limits, got: str) -> RequestRefused:
    return RequestRefused(
        413,
        TOO_LARGE,
        f"a request must have at most {limits.num_bytes:,} bytes, got {got}",
        remedy="send fewer rows at once, or start the server with a larger --max-megabytes",
    )
