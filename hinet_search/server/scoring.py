"""Scoring: reply to one request to score, in a thread of a pool, as far as the limits admit it."""

import asyncio
import json
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from polars.exceptions import PanicException
from starlette.requests import Request
from starlette.responses import Response

from hinet_search.common.errors import DataError
from hinet_search.common.shares import Shares
from hinet_search.server.body import JSON, parse, read_body
from hinet_search.server.current_model import CurrentModel, Log
from hinet_search.server.metrics import BUSY, FAILED, INVALID, SCORED, Metrics
from hinet_search.server.replies import FAR, RETRY, RequestRefused
from hinet_search.server.settings import Limits
from hinet_search.serving.requests.document import columns_of
from hinet_search.serving.requests.served_model import ServedModel

_PACKAGE = Path(__file__).parents[1]


@dataclass
class Scoring:
    """Replies to requests, at most `limits.requests` at once; `num_running` of them run now.

    A request runs once its body has arrived. As many more may be `unfinished`, shared by clients.
    """

    current: CurrentModel
    limits: Limits
    metrics: Metrics
    pool: ThreadPoolExecutor
    log: Log
    num_running: int = 0

    def __post_init__(self) -> None:
        self._unfinished = Shares(self.limits.requests)

    async def reply(self, request: Request) -> Response:
        """Score the rows of the body."""
        started = time.perf_counter()
        try:
            content = await self._score(request)
        except RequestRefused as refused:
            self.metrics.request(refused.outcome)
            return refused.reply
        except (Exception, PanicException) as error:  # noqa: BLE001  a bug, which must not end the server
            self.metrics.request(FAILED)
            self.log(f"a request failed: {type(error).__name__} in {_place(error)}")
            problem = "the server failed to score this request; its log names the place"
            return RequestRefused(500, FAILED, problem).reply
        self.metrics.request(SCORED, time.perf_counter() - started)
        return Response(content, media_type=JSON)

    async def _score(self, request: Request) -> bytes:
        self._refuse_if_busy()
        model = self.current.model
        if model is None:
            problem = "the model is being loaded"
            raise RequestRefused(503, BUSY, problem, remedy="try again", headers=RETRY)
        body = await read_body(request, self.limits, self._unfinished)
        self._refuse_if_busy()
        self.num_running += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self.pool, self._scores_of, model, body)
        finally:
            self.num_running -= 1

    def _refuse_if_busy(self) -> None:
        most = self.limits.requests
        if self.num_running >= most:
            problem = f"the server is already answering its maximum of {most} requests"
            raise RequestRefused(503, BUSY, problem, remedy="try again", headers=RETRY)

    def _scores_of(self, model: ServedModel, body: bytes) -> bytes:
        """Return the reply to a body."""
        try:
            scores = model.score(columns_of(parse(body, self.limits), model.columns))
        except DataError as error:
            raise RequestRefused(422, INVALID, *error.problems, remedy=error.remedy) from error
        self.metrics.scored(len(scores.predicted_RT), scores.unseen, scores.far)
        columns = map(_with_nulls, scores.predicted_RT.T)
        predicted = dict(zip(model.tasks, columns, strict=True))
        reply = {"model": model.name, "version": model.version, model.predicted: predicted}
        far = {name: count for name, count in scores.far.items() if count}
        if far:
            reply[FAR] = far
        return json.dumps(reply).encode()


def _with_nulls(predicted_R: NDArray[np.float32]) -> list[float | None]:
    """Return predictions as JSON has them: null where a row does not have the task."""
    values: list[float | None] = predicted_R.tolist()
    for row in np.flatnonzero(np.isnan(predicted_R)).tolist():
        values[row] = None
    return values


def _place(error: BaseException) -> str:
    """The place in this package where an error was raised; its message may hold a row's values."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _PACKAGE in Path(frame.filename).parents]
    frame = own[-1]
    return f"{frame.name}, {Path(frame.filename).relative_to(_PACKAGE)}:{frame.lineno}"
