"""Train: train one configuration on a slot with one seed, and emit the results.

Jobs depend neither on optuna nor on the database: only what they emit leaves the slot.
"""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch

from hinet_search.common import crash_points
from hinet_search.common.plugins import allow_only
from hinet_search.common.retry import Retry
from hinet_search.data.columns import Dataset
from hinet_search.results.objectives import objective_named
from hinet_search.results.records import Cost
from hinet_search.training.checkpoint import Checkpoints, seconds_apart
from hinet_search.training.device import choose_device
from hinet_search.training.jobs.device_errors import device_errors
from hinet_search.training.jobs.messages import (
    CoordinatorLink,
    Emit,
    ShouldStop,
    TrainingFailed,
    TrainingResult,
    TrainJob,
    scores_path,
)
from hinet_search.training.jobs.score import limit_threads, open_dataset
from hinet_search.training.run_state import Conditions, FitResult
from hinet_search.training.seeding import seeded_model
from hinet_search.training.snapshot import LAYOUT
from hinet_search.training.step_log import Diverged
from hinet_search.training.teaching import read_teacher
from hinet_search.training.tensors import save_tensors
from hinet_search.training.trainable import Trainable, fit_any, trainable


def train(job: TrainJob, emit: Emit, should_stop: ShouldStop) -> None:
    """Train and emit an EvaluationRecord per evaluation, then TrainingResult or TrainingFailed.

    A job that is `measured_first` emits its Cost before, where that is known.

    Errors: DiskFull if the disk stays full, MemoryError with the batch size.
    """
    limit_threads()
    link = CoordinatorLink(emit, should_stop)
    allow_only(job.plugins)
    device = choose_device(job.device).device
    work = f"batch size {job.config.train.batch_size:,}"
    with device_errors(device, work, link):
        _train_on(device, job, link)


def _train_on(device: torch.device, job: TrainJob, link: CoordinatorLink) -> None:
    """Train on a device; what this holds there is free again when it returns."""
    dataset, schema = job.config.features.view(open_dataset(job.dataset))
    model = trainable(seeded_model(partial(job.config.build, schema), job.seed), schema, device)
    teacher_RT = None
    if job.teacher is not None:
        teacher_RT = read_teacher(job.teacher, dataset.train.labels_RT.shape)
    conditions = Conditions(
        dataset=dataset,
        schema=schema,
        config=job.config.train,
        seed=job.seed,
        objective=objective_named(job.objective),
        device=device,
        teacher_RT=teacher_RT,
        further=job.further,
    )
    checkpoints = checkpoints_of(job, link.notice)
    if job.measured_first and model.costs_are_known:
        milliseconds = model.milliseconds_per_100(dataset.valid)
        link.emit(replace(_size(model), milliseconds_per_100=milliseconds))
    try:
        result = fit_any(model, conditions, link, checkpoints)
    except Diverged as error:
        link.emit(TrainingFailed(f"diverged: {error}"))
    else:
        link.emit(_trained(job, model, dataset, result, link.retry))
    crash_points.point("after_result")


def checkpoints_of(job: TrainJob, say: Callable[[str], None], *more: object) -> Checkpoints | None:
    """Return the job's checkpoints, identified by everything that its steps depend on.

    `more` is what they depend on beyond the job.
    """
    if job.checkpoints is None:
        return None
    settings = (
        job.config,
        job.seed,
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
    path = job.weights
    scores = {"valid_logits": torch.from_numpy(model.scores(dataset.valid))}
    retry(lambda: save_tensors(scores, scores_path(path)))
    retry(lambda: save_tensors(model.model.state_dict(), path))
    crash_points.point("after_weights_before_result")
    cost = replace(cost, milliseconds_per_100=model.milliseconds_per_100(dataset.valid))
    return TrainingResult(best, result.stopped, cost, model.insight(dataset.valid))
