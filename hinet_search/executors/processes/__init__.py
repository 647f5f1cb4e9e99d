"""Processes: what engines start, and jobs as bytes for a process that only passes them on.

Every slot imports this file, so it imports no library.
"""

import pickle
from dataclasses import replace

from hinet_search.executors import Emit, Job, JobEvent, Message, ShouldStop


def pack(job: Job) -> Job:
    """Return the job with function and payload as bytes: an actor imports none of their types."""
    content = pickle.dumps((job.function, job.payload))
    return replace(job, function=_run_packed, payload=content)


def unpack(message: JobEvent) -> JobEvent:
    """Return a message of a packed job with its body unpickled."""
    if not isinstance(message, Message):
        return message
    return replace(message, body=pickle.loads(message.body))  # noqa: S301  of our own job


def _run_packed(content: bytes, emit: Emit, should_stop: ShouldStop) -> None:
    function, payload = pickle.loads(content)  # noqa: S301  of our coordinator
    function(payload, lambda body: emit(pickle.dumps(body)), should_stop)
