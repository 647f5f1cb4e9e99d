"""Train: train one configuration on a slot, with one seed or several, and emit the results.

Jobs depend neither on optuna nor on the database: only what they emit leaves the slot.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from hinet_search.common import crash_points
from hinet_search.common.plugins import allow_only
from hinet_search.common.retry import Retry
from hinet_search.data.columns import Dataset
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
from hinet_search.training.jobs.score import limit_threads, open_dataset
from hinet_search.training.run_state import Conditions, FitResult
from hinet_search.training.seeding import seeded_model
from hinet_search.training.snapshot import LAYOUT
from hinet_search.training.teaching import read_teacher
from hinet_search.training.tensors import save_tensors
from hinet_search.training.trainable import Trainable, fit_all, trainable


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
    try:
        with device_errors(device, work, whole):
            _train_on(device, waiting, order_seed, whole)
    except (MemoryError, RuntimeError) as error:
        if len(jobs) == 1:
            raise
        whole.notice(f"{_why_apart(error, len(waiting))}: one after another")
        for job, link in list(waiting.items()):
            with device_errors(device, work, whole):
                _train_on(device, {job: link}, order_seed, whole)


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
    config = jobs[0].config
    objective = objective_named(jobs[0].objective)
    dataset, schema = config.features.view(open_dataset(jobs[0].dataset))
    models = [
        trainable(seeded_model(partial(job.config.build, schema), job.seed), schema, device)
        for job in jobs
    ]
    teacher = _teacher(jobs[0], dataset)
    shared = Conditions(dataset, schema, config.train, 0, order_seed, objective, device, teacher)
    conditions = [
        replace(shared, config=job.config.train, seed=job.seed, further=job.further) for job in jobs
    ]
    checkpoints = [checkpoints_of(job, order_seed, whole.notice) for job in jobs]
    for job, model, link in zip(jobs, models, links, strict=True):
        if job.measured_first and model.costs_are_known:
            link.emit(_cost_before(model, dataset))

    def ended(number: int, outcome: Outcome) -> None:
        job = jobs[number]
        link = links[number]
        if isinstance(outcome, Diverged):
            link.emit(TrainingFailed(f"diverged: {outcome}"))
        else:
            link.emit(_trained(job, models[number], dataset, outcome, whole.retry))
        crash_points.point("after_result")
        del waiting[job]

    fit_all(models, conditions, links, checkpoints, ended)


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


def _trained(
    job: TrainJob, model: Trainable, dataset: Dataset, result: FitResult, retry: Retry
) -> TrainingResult:
    """Return the result of a training; for a job with `weights`, store them, score and explain."""
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
