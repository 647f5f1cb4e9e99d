"""Paths in jobs and in what they emit, on a node that has its own files."""

from dataclasses import replace
from pathlib import Path

from hinet_search.executors import Job, Message
from hinet_search.executors.processes.job_bytes import pack, unpack
from tests.executors import jobs

SOMEWHERE = Path("/data/shop")


def test_a_path_that_a_job_on_a_node_emits_is_the_one_of_the_coordinator(tmp_path: Path) -> None:
    job = pack(Job("arm/0", 1, jobs.repeat, SOMEWHERE))
    emitted: list[bytes] = []
    on_node = replace(job.payload, root=tmp_path)
    job.function(on_node, emitted.append, lambda _part="": False)
    assert str(tmp_path).encode() not in emitted[0]
    message = unpack(Message("arm/0", 1, emitted[0]))
    assert isinstance(message, Message)
    assert message.body == SOMEWHERE
