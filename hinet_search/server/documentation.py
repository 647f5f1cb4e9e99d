"""Documentation: the model that answers as JSON, and a page on it without scripts or assets."""

import hashlib
import json
import shlex
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse

from hinet_search.common.access import in_url
from hinet_search.data.raw_values import listed
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
    amounts = served.exported.file.inputs.amount_units
    predicted = "probability"
    if amounts:
        predicted += f" (of {', '.join(amounts)} the expected amount)"
    page = environment.get_template("docs.html").render(
        style=_STYLE,
        facts=model_facts(served),
        predicted=predicted,
        address=f"http://{in_url(listening.host)}:{listening.port}",
        token=" -H 'Authorization: Bearer TOKEN'" if listening.token else "",
        body=shlex.quote(json.dumps({"rows": [example_row(served)]}, ensure_ascii=False)),
        limits=limits,
        statuses=STATUSES,
        addresses=ADDRESSES,
    )
    return HTMLResponse(page, headers={POLICY: PAGE_POLICY})


def model_facts(served: ServedModel) -> dict[str, Any]:
    """Return what config.yaml and card.md say of the model, and when they were read.

    `amount_units` are the tasks of amounts, with the mean amount of training, if there are any, and
    `counted_to` is the end of what label statistics count, or the last row of the log.
    """
    file = served.exported.file
    last = served.counted_to
    members = []
    for member in file.members:
        run = member.run
        of_run = {"arm": run.arm, "trial": run.trial_number, "seed": run.seed}
        members.append({**of_run, "weight": member.weight})
    optional = {"amount_units": file.inputs.amount_units, "counted_to": last}
    return {
        "study": file.study,
        "name": file.name,
        "version": served.version,
        "loaded": served.loaded.isoformat(timespec="seconds"),
        "tasks": served.tasks,
        "scenarios": file.inputs.scenario.names,
        "absent_cells": [list(names) for names in file.inputs.absent_cells],
        **{name: fact for name, fact in optional.items() if fact},
        "columns": columns_in_words(served),
        "members": members,
        "average_of": file.scale,
        "calibrated_cells": [[cell.scenario, cell.task] for cell in file.calibration],
        "data": file.data,
        "versions": file.versions,
        "card": served.card,
    }


def columns_in_words(served: ServedModel) -> Mapping[str, str]:
    """Return what each column of a row must hold."""
    scenario = served.exported.file.inputs.scenario
    of_scenario = f"a scenario of the model: {listed([repr(value) for value in scenario.values])}"
    wanted = {reader.name: reader.wanted for reader in served.reader.readers}
    return wanted | dict.fromkeys(scenario.columns, of_scenario)


def example_row(served: ServedModel) -> dict[str, Any]:
    """Return a row of the first scenario with nothing else known."""
    inputs = served.exported.file.inputs
    row: dict[str, Any] = dict.fromkeys(inputs.columns)
    return row | dict.fromkeys(inputs.scenario.columns, next(iter(inputs.scenario.values)))
