"""Prober: probes run in this process on the CPU, and on a slot of their own on a GPU.

A process that has used a GPU holds some of its memory until it ends, and keeps all others off a
device of exclusive mode. The coordinator lives as long as its study, so it must not be that one.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch

from hinet_search.common.errors import EnvironmentFault
from hinet_search.common.plugins import allow_only, allowed
from hinet_search.data.columns import Dataset
from hinet_search.executors import Emit, Job, JobEnd, Message, ShouldStop
from hinet_search.executors.processes.slots import ProcessExecutor
from hinet_search.search.plan.probe import ProbeResult, probe
from hinet_search.training.jobs.score import limit_threads, open_dataset
from hinet_search.training.trial_config import TrialConfig

POLL_SECONDS = 1.0
Prober = Callable[[TrialConfig, float], ProbeResult]  # probes a configuration for some seconds


@dataclass(frozen=True)
class ProbeJob:
    """Probe a configuration on a slot; models may come from `plugins`."""

    dataset: Path
    device: torch.device
    config: TrialConfig
    seconds: float
    plugins: tuple[str, ...] = field(default_factory=allowed)


@contextmanager
def prober(dataset: Dataset, device: torch.device) -> Iterator[Prober]:
    """Give the function that probes on the device; it raises what `probe` raises."""
    if device.type == "cpu":
        yield lambda config, seconds: probe(config, dataset, device, seconds)
        return
    with closing(ProcessExecutor([0])) as slot:
        yield partial(probe_on_slot, slot, dataset.folder, device)


def probe_on_slot(
    slot: ProcessExecutor, dataset: Path, device: torch.device, config: TrialConfig, seconds: float
) -> ProbeResult:
    """Probe in the process of a slot.

    Errors: MemoryError when that ran out of memory or died, EnvironmentFault for any other failure.
    """
    slot.submit(Job("probe", 1, run_probe, ProbeJob(dataset, device, config, seconds)))
    result: ProbeResult | None = None
    while True:
        for event in slot.poll(POLL_SECONDS):
            if isinstance(event, Message):
                result = event.body
            if isinstance(event, JobEnd):
                if result is not None:
                    return result
                if event.died:
                    raise MemoryError(event.cause)
                raise EnvironmentFault(
                    f"the probe of a training must end with a result, but {event.cause}"
                )


def run_probe(job: ProbeJob, emit: Emit, should_stop: ShouldStop) -> None:  # noqa: ARG001
    """Emit the result of a probe."""
    limit_threads()
    allow_only(job.plugins)
    emit(probe(job.config, open_dataset(job.dataset), job.device, job.seconds))
