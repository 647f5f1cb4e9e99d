"""Scoring: reply to one request to score, or with events, in a thread of a pool.

A request runs as far as the limits admit it.
"""

import asyncio
import json
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from polars.exceptions import PanicException
from starlette.requests import Request
from starlette.responses import Response

from hinet_search.common.errors import DataError, EnvironmentFault
from hinet_search.common.shares import Shares
from hinet_search.server.body import JSON, parse, read_body
from hinet_search.server.current_model import CurrentModel, Log
from hinet_search.server.metrics import BUSY, FAILED, INVALID, SCORED, TAKEN, Metrics
from hinet_search.server.replies import FAR, RETRY, RequestRefused
from hinet_search.server.settings import Limits
from hinet_search.serving.live.journal import JournalDamaged
from hinet_search.serving.requests.document import columns_of
from hinet_search.serving.requests.served_model import ServedModel

_PACKAGE = Path(__file__).parents[1]
Answer = Callable[[ServedModel, bytes], bytes]  # the reply to a body


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
        return await self._reply(request, self._scores_of, SCORED)

    async def reply_to_events(self, request: Request) -> Response:
        """Add the events of the body to the log."""
        return await self._reply(request, self._taken, TAKEN)

    async def _reply(self, request: Request, answer: Answer, outcome: str) -> Response:
        started = time.perf_counter()
        try:
            content = await self._content(request, answer)
        except RequestRefused as refused:
            self.metrics.request(refused.outcome)
            return refused.reply
        except (Exception, PanicException) as error:  # noqa: BLE001  a bug, which must not end the server
            self.metrics.request(FAILED)
            self.log(f"a request failed: {type(error).__name__} in {_place(error)}")
            problem = "the server failed to answer this request; its log names the place"
            return RequestRefused(500, FAILED, problem).reply
        self.metrics.request(outcome, time.perf_counter() - started)
        return Response(content, media_type=JSON)

    async def _content(self, request: Request, answer: Answer) -> bytes:
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
            return await loop.run_in_executor(self.pool, answer, model, body)
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

    def _taken(self, model: ServedModel, body: bytes) -> bytes:
        """Return the reply to events, which are on disk then."""
        try:
            taken = self.current.add_events(parse(body, self.limits))
        except (EnvironmentFault, JournalDamaged) as error:
            self.log(f"events were not taken: {error}")
            problem = "the server cannot keep events now; its log says why"
            remedy = "send them again later"
            raise RequestRefused(503, BUSY, problem, remedy=remedy, headers=RETRY) from error
        except DataError as error:
            raise RequestRefused(422, INVALID, *error.problems, remedy=error.remedy) from error
        self.metrics.took(taken)
        if model.live is not None and model.live.needs_fold:
            threading.Thread(target=self.current.fold, daemon=True).start()
        return json.dumps(asdict(taken)).encode()


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
