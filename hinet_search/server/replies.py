"""Replies: the JSON that the server sends, and the refusal of a request."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, Field
from starlette.responses import Response

RETRY: Mapping[str, str] = {"Retry-After": "1"}
FAR = "far_from_training"  # only in replies to requests with such numbers
FAR_IN_WORDS = (
    "Rows whose number is more than a standard deviation beyond all of training, by input; left "
    "out where there is none"
)
NO_HEADERS: Mapping[str, str] = {}


class ScoreReply(BaseModel):
    """What a request to score gets; documented only, as it is written without validation.

    A model with tasks of amounts sends an AmountsReply instead.
    """

    model: str = Field(examples=["quickstart/hinet"])
    version: str = Field(examples=["1f9c2a7b3d4e"])
    probabilities: dict[str, list[float | None]] = Field(
        description="P(task = 1) of every row, by task; null where its scenario lacks the task",
        examples=[{"click": [0.21, 0.07]}],
    )
    far_from_training: dict[str, int] | None = Field(
        None, description=FAR_IN_WORDS, examples=[{"price": 2}]
    )


class AmountsReply(BaseModel):
    """What a request to score gets from a model with tasks of amounts; documented only."""

    model: str = Field(examples=["shop/hinet"])
    version: str = Field(examples=["1f9c2a7b3d4e"])
    predictions: dict[str, list[float | None]] = Field(
        description="P(task = 1) of every row by task, or the expected amount in the unit of its "
        "column (`amount_units` of /model); null where its scenario lacks the task",
        examples=[{"click": [0.21, 0.07], "watch": [34.5, 12.25]}],
    )
    far_from_training: dict[str, int] | None = Field(
        None, description=FAR_IN_WORDS, examples=[{"price": 2}]
    )


class EventsReply(BaseModel):
    """What a request with events gets; documented only."""

    added: int = Field(description="Events that are new rows")
    labelled: int = Field(description="Events of which the labels came now")
    again: int = Field(description="Events that brought nothing new")
    late: int = Field(description="Events that came too late to count")
    last: int | None = Field(
        description="The time of the last row, as its column counts it; of label statistics alone "
        "the number of the last day, or hour, with a label"
    )


class ProblemReply(BaseModel):
    """What a refused request gets: every problem, and how to remedy it."""

    problems: list[str]
    remedy: str = ""


class ReadyReply(BaseModel):
    """Whether a model is loaded, and whether a newer folder was refused."""

    ready: bool
    model: str | None
    version: str | None
    reload_refused: bool


class RequestRefused(Exception):
    """A request that gets no scores: the status of its reply, and its outcome in the metrics."""

    def __init__(
        self,
        status: int,
        outcome: str,
        *problems: str,
        remedy: str = "",
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> None:
        super().__init__(*problems)
        self.status = status
        self.outcome = outcome
        self.problems = problems
        self.remedy = remedy
        self.headers = headers

    @property
    def reply(self) -> Response:
        """The reply."""
        return problem_reply(self.status, self.problems, self.remedy, self.headers)


def problem_reply(
    status: int, problems: Sequence[str], remedy: str = "", headers: Mapping[str, str] = NO_HEADERS
) -> Response:
    """Return the reply of a refused request."""
    return json_reply({"problems": list(problems), "remedy": remedy}, status, headers)


def json_reply(
    content: Any, status: int = 200, headers: Mapping[str, str] = NO_HEADERS
) -> Response:
    """Return a JSON document as a reply."""
    return Response(
        json.dumps(content), status, headers=dict(headers), media_type="application/json"
    )
