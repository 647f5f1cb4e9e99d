"""Documentation: one page on the server and its model, without scripts or outside assets."""

import hashlib
import json
import shlex
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from hinet_search.common.access import in_url
from hinet_search.server.facts import example_row, model_facts
from hinet_search.server.guard import POLICY
from hinet_search.server.settings import Limits, Listening
from hinet_search.serving.requests.served_model import ServedModel

STATUSES: Mapping[int, str] = {
    200: "scored",
    400: "the body is no JSON",
    401: "the token is missing",
    403: "the Host is that of another server",
    408: "the body did not arrive in time",
    413: "too many rows or bytes",
    415: "another Content-Type than application/json",
    422: "the rows do not fit the model",
    500: "a bug; the log of the server names the place",
    503: "too many requests at once, or no model yet: try again after Retry-After",
}
ADDRESSES: Mapping[str, str] = {
    "/health": "whether the server is alive",
    "/ready": "whether a model is loaded, and whether a newer folder was refused",
    "/model": "the model: columns, members, versions, card",
    "/metrics": "counters for Prometheus",
    "/openapi.json": "this interface for programs",
}
_TEMPLATES = Path(__file__).parent / "templates"
_STYLE = (_TEMPLATES / "docs.css").read_text(encoding="utf-8")
_HASH = b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
PAGE_POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'"


def docs_page(served: ServedModel, listening: Listening, limits: Limits) -> HTMLResponse:
    """Return the page."""
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES), autoescape=True, undefined=StrictUndefined
    )
    page = environment.get_template("docs.html").render(
        style=_STYLE,
        facts=model_facts(served),
        predicted=_predicted_in_words(served),
        address=f"http://{in_url(listening.host)}:{listening.port}",
        token=" -H 'Authorization: Bearer TOKEN'" if listening.token else "",
        body=shlex.quote(json.dumps({"rows": [example_row(served)]}, ensure_ascii=False)),
        limits=limits,
        statuses=STATUSES,
        addresses=ADDRESSES,
    )
    return HTMLResponse(page, headers={POLICY: PAGE_POLICY})


def _predicted_in_words(served: ServedModel) -> str:
    """Return `probability`, and of which tasks the expected amount is sent instead."""
    amounts = served.exported.file.inputs.amount_units
    if not amounts:
        return "probability"
    return f"probability (of {', '.join(amounts)} the expected amount)"
