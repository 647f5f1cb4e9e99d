"""Train: train one configuration on a slot, with one seed or several, and emit the results.

A job of several `workers` is trained by that many processes together (partners.py), which may be on
several nodes (node_partners.py).

Jobs depend neither on optuna nor on the database: only what they emit leaves the slot.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import NoReturn

import numpy as np
import torch
from numpy.typing import NDArray

from hinet_search.common import crash_points
from hinet_search.common.plugins import allow_only
from hinet_search.common.retry import Retry
from hinet_search.data.columns import Dataset
from hinet_search.executors.processes.environment import NODE_ADDRESS
from hinet_search.results.objectives import objective_named
from hinet_search.results.records import Cost
from hinet_search.training.checkpoint import Checkpoints, seconds_apart
from hinet_search.training.device import choose_device
from hinet_search.training.divergence import Diverged
from hinet_search.training.fit_stacked import Outcome
from hinet_search.training.jobs.coordinator_link import CoordinatorLink
from hinet_search.training.jobs.device_errors import device_errors
from hinet_search.training.jobs.messages import (
    Emit,
    PartMessage,
    ShouldPartStop,
    ShouldStop,
    TrainingFailed,
    TrainingResult,
    TrainingsJob,
    TrainJob,
    scores_path,
)
from hinet_search.training.jobs.node_partners import team_over_nodes
from hinet_search.training.jobs.partners import team_of
from hinet_search.training.jobs.parts_of_work import PartnerLost
from hinet_search.training.jobs.score import limit_threads, open_dataset
from hinet_search.training.run_state import Conditions, FitResult
from hinet_search.training.seeding import seeded_model
from hinet_search.training.snapshot import LAYOUT
from hinet_search.training.teaching import read_teacher
from hinet_search.training.team import Team
from hinet_search.training.tensors import save_tensors
from hinet_search.training.trainable import Network, Trainable, fit_all, trainable

PARTNER_LOST = 76  # exit code


def train(job: TrainJob, emit: Emit, should_stop: ShouldStop) -> None:
    """Train and emit an EvaluationRecord per evaluation, then TrainingResult or TrainingFailed.

    A job that is `measured_first` emits its Cost before, where that is known.

    Errors: DiskFull if the disk stays full, MemoryError with the batch size.
    """
    link = CoordinatorLink(emit, should_stop)
    _train((job,), job.seed, link, [link])


def train_together(job: TrainingsJob, emit: Emit, should_stop: ShouldPartStop) -> None:
    """Train all, as one stack where that is faster; emit the messages of `train` as PartMessage.

    Each can be stopped by its part. If memory is too small for all, or their stack fails, they
    train one after another.
    """
    whole = CoordinatorLink(emit, should_stop)
    links = [
        replace(whole.mapping(partial(PartMessage, part)), stop=partial(should_stop, part))
        for part in job.parts
    ]
    _train(job.jobs, job.order_seed, whole, links)


def _train(
    jobs: Sequence[TrainJob],
    order_seed: int,
    whole: CoordinatorLink,
    links: Sequence[CoordinatorLink],
) -> None:
    """Train the jobs; `whole` sends notices, and each of the `links` the messages of a job."""
    limit_threads()
    allow_only(jobs[0].plugins)
    device = choose_device(jobs[0].device).device
    work = f"batch size {jobs[0].config.train.batch_size:,}"
    waiting = dict(zip(jobs, links, strict=True))
    if jobs[0].workers == 1:  # a team trains one model at a time
        try:
            with device_errors(device, work, whole):
                _train_on(device, waiting, order_seed, whole)
        except (MemoryError, RuntimeError) as error:
            if len(jobs) == 1:
                raise
            whole.notice(f"{_why_apart(error, len(waiting))}: one after another")
    for job, link in list(waiting.items()):
        with device_errors(device, work, whole), partner_errors(whole):
            _train_on(device, {job: link}, order_seed, whole)


@contextmanager
def partner_errors(link: CoordinatorLink) -> Iterator[None]:
    """End this process if a partner is lost; another one resumes from the checkpoint."""
    try:
        yield
    except PartnerLost as error:
        _end_with_partner(link, error)


def _end_with_partner(link: CoordinatorLink, lost: PartnerLost) -> NoReturn:
    link.notice(f"{lost}: this one, which trains the same model, ends too")
    os._exit(PARTNER_LOST)


def _why_apart(error: MemoryError | RuntimeError, num_models: int) -> str:
    if isinstance(error, MemoryError):
        return f"memory is too small for {num_models} models at once"
    first_line = str(error).split("\n", maxsplit=1)[0]
    return f"{num_models} models cannot train at once ({first_line})"


def _train_on(
    device: torch.device,
    waiting: dict[TrainJob, CoordinatorLink],
    order_seed: int,
    whole: CoordinatorLink,
) -> None:
    """Train on a device, and take out of `waiting` what has ended.

    What this holds on the device is free again when it returns.
    """
    jobs = list(waiting)
    links = list(waiting.values())
    shared = _shared(jobs[0], order_seed, device)
    begun = [_begun(job, shared, whole.notice) for job in jobs]
    for each, link in zip(begun, links, strict=True):
        if each.job.measured_first and each.model.costs_are_known:
            link.emit(_cost_before(each.model, each.conditions.dataset))

    def ended(number: int, outcome: Outcome) -> None:
        job = jobs[number]
        link = links[number]
        if isinstance(outcome, Diverged):
            link.emit(TrainingFailed(f"diverged: {outcome}"))
        else:
            link.emit(_trained(begun[number], outcome, whole.retry))
        crash_points.point("after_result")
        del waiting[job]

    work = partial(_train_part, jobs[0].of_partner(), order_seed)
    with team_for(jobs[0], begun[0].model, work, whole) as team:
        conditions = [replace(each.conditions, team=team) for each in begun]
        models = [each.model for each in begun]
        fit_all(models, conditions, links, [each.checkpoints for each in begun], ended)


@dataclass(frozen=True)
class _Begun:
    """A job with its model, and what it is trained on."""

    job: TrainJob
    model: Trainable
    conditions: Conditions
    checkpoints: Checkpoints | None


def _shared(job: TrainJob, order_seed: int, device: torch.device) -> Conditions:
    """Return the conditions of a job; those that it is trained with share its data."""
    dataset, schema = job.config.features.view(open_dataset(job.dataset))
    objective = objective_named(job.objective)
    teacher = _teacher(job, dataset)
    return Conditions(
        dataset, schema, job.config.train, job.seed, order_seed, objective, device, teacher
    )


def _begun(job: TrainJob, shared: Conditions, say: Callable[[str], None]) -> _Begun:
    schema = shared.schema
    built = seeded_model(partial(job.config.build, schema), job.seed)
    return _Begun(
        job,
        trainable(built, schema, shared.device),
        replace(shared, config=job.config.train, seed=job.seed, further=job.further),
        checkpoints_of(job, shared.order_seed, say),
    )


def team_for(
    job: TrainJob, model: Trainable, work: Callable[[Team], None], link: CoordinatorLink
) -> AbstractContextManager[Team | None]:
    """Return the team that trains a job, whose partners do `work`; None for a single process.

    Models that grow are always trained by one. Partners are processes of this machine, unless the
    executor has them on nodes.
    """
    if job.workers == 1 or not isinstance(model, Network):
        return nullcontext()
    if NODE_ADDRESS in os.environ:
        return team_over_nodes(job.workers, model.device, work, link.emit)
    return team_of(job.workers, model.device, work, partial(_end_with_partner, link))


def _train_part(job: TrainJob, order_seed: int, team: Team) -> None:
    """Train with a team as one of its partners, which say nothing."""
    limit_threads()
    allow_only(job.plugins)
    shared = _shared(job, order_seed, choose_device(job.device).device)
    begun = _begun(job, shared, say_nothing)
    silent = CoordinatorLink(say_nothing, lambda: False)
    fit_all([begun.model], [replace(begun.conditions, team=team)], [silent])


def say_nothing(_message: object) -> None:
    """Take no notice: the leader says it."""


def _teacher(job: TrainJob, dataset: Dataset) -> NDArray[np.float16] | None:
    """Return the teacher's logits of a student's training rows."""
    if job.teacher is None:
        return None
    return read_teacher(job.teacher, dataset.train.labels_RT.shape)


def checkpoints_of(
    job: TrainJob, order_seed: int, say: Callable[[str], None], *more: object
) -> Checkpoints | None:
    """Return the job's checkpoints, identified by everything that its steps depend on.

    `more` is what they depend on beyond the job.
    """
    if job.checkpoints is None:
        return None
    settings = (
        job.config,
        job.seed,
        order_seed,
        job.objective,
        job.dataset.name,
        choose_device(job.device).device.type,  # `auto` is another device on another node
        job.teacher and job.teacher.name,  # which names its members
        torch.__version__,
        LAYOUT,
        *((job.workers,) if job.workers > 1 else ()),  # each has random generators of its own
        *more,
    )
    digest = hashlib.sha256(repr(settings).encode()).hexdigest()
    return Checkpoints(job.checkpoints, digest, seconds_apart(), say)


def _size(model: Trainable) -> Cost:
    """Return what is known of a model's cost without training or scoring."""
    parameters, dense = model.num_parameters()
    return Cost(parameters, dense, model.flops_per_row(), 0.0, 0.0, 0, str(model.device))


def _cost_before(model: Trainable, dataset: Dataset) -> Cost:
    """Return what is known of a model's cost before its training."""
    return replace(_size(model), milliseconds_per_100=model.milliseconds_per_100(dataset.valid))


def _trained(begun: _Begun, result: FitResult, retry: Retry) -> TrainingResult:
    """Return the result of a training; for a job with `weights`, store them, score and explain."""
    job = begun.job
    model = begun.model
    dataset = begun.conditions.dataset
    cost = replace(
        _size(model),
        rows_per_second=result.rows_per_second,
        seconds=result.seconds,
        peak_memory_bytes=result.peak_memory_bytes,
    )
    best = next((record for record in result.evaluations if record.step == result.best_step), None)
    if job.measured_first:
        cost = replace(cost, milliseconds_per_100=model.milliseconds_per_100(dataset.valid))
    if job.weights is None or best is None or result.stopped:
        return TrainingResult(best, result.stopped, cost)
    weights = model.model.state_dict()
    path = job.weights
    scores = {"valid_logits": torch.from_numpy(model.scores(dataset.valid))}
    retry(lambda: save_tensors(scores, scores_path(path)))
    retry(lambda: save_tensors(weights, path))
    crash_points.point("after_weights_before_result")
    cost = replace(cost, milliseconds_per_100=model.milliseconds_per_100(dataset.valid))
    return TrainingResult(best, result.stopped, cost, model.insight(dataset.valid))
