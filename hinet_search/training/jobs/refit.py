"""Refit: train a model once more, on training and validation rows, for the steps that were best.

Once validation has decided everything, its rows can be learned from. Nothing is left to choose the
length of a training by, so it takes the steps of the best evaluation before (Goodfellow, Bengio and
Courville, Deep Learning, 2016, algorithm 7.2). Inputs stay encoded as the training rows decided.
Shape legend: R rows, T tasks.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from hinet_search.common.plugins import allow_only
from hinet_search.data.columns import Dataset
from hinet_search.results.objectives import objective_named
from hinet_search.training.checkpoint import Checkpoints
from hinet_search.training.device import choose_device
from hinet_search.training.feed import forget_copies
from hinet_search.training.jobs.device_errors import device_errors
from hinet_search.training.jobs.messages import (
    CoordinatorLink,
    Emit,
    RefitJob,
    Refitted,
    ShouldStop,
    TrainingFailed,
    TrainJob,
    scores_path,
)
from hinet_search.training.jobs.score import limit_threads, open_dataset
from hinet_search.training.jobs.train import checkpoints_of
from hinet_search.training.run_state import Conditions, FixedSteps, count_steps
from hinet_search.training.seeding import seeded_model
from hinet_search.training.step_log import Diverged
from hinet_search.training.teaching import read_teacher
from hinet_search.training.tensors import save_tensors
from hinet_search.training.trainable import Trainable, fit_any, trainable


def refit(job: RefitJob, emit: Emit, should_stop: ShouldStop) -> None:
    """Train, store the weights and the scores of the test split, and emit Refitted.

    Emit TrainingFailed if the training diverges, nothing if it is stopped. Labels of the test split
    are not read and no metric of it is computed, so this is no further use of it: an export is
    checked with the scores. Its evaluation, of rows that it learned from, is not sent.

    Errors: DiskFull if the disk stays full, MemoryError with the batch size.
    """
    limit_threads()
    training = job.training
    link = CoordinatorLink(emit, should_stop)
    allow_only(training.plugins)
    config = training.config
    device = choose_device(training.device).device
    forget_copies()  # of the training rows alone
    with device_errors(device, f"batch size {config.train.batch_size:,}", link):
        model, conditions, checkpoints = _begun(job, device, link.notice)
        silent = CoordinatorLink(lambda _evaluation: None, should_stop)
        try:
            result = fit_any(model, conditions, silent, checkpoints)
        except Diverged as error:
            emit(TrainingFailed(f"diverged: {error}"))
            return
        if result.stopped:
            return
        scores = {"test_logits": torch.from_numpy(model.scores(conditions.dataset.test))}
    path = training.weights
    assert path is not None, "a refit is made for its weights"
    link.retry(lambda: save_tensors(scores, scores_path(path)))
    # Last, since a refit is complete once its weights are there.
    link.retry(lambda: save_tensors(model.model.state_dict(), path))
    assert conditions.fixed_steps is not None, "a refit has the length of a training"
    emit(Refitted(conditions.fixed_steps.total, conditions.dataset.train.num_rows))


def _begun(
    job: RefitJob, device: torch.device, say: Callable[[str], None]
) -> tuple[Trainable, Conditions, Checkpoints | None]:
    training = job.training
    config = training.config
    dataset, schema = config.features.view(open_dataset(training.dataset))
    model = trainable(seeded_model(lambda: config.build(schema), training.seed), schema, device)
    steps_per_epoch = count_steps(dataset.train.num_rows, config.train)
    steps = FixedSteps(
        model.steps_until(job.best, steps_per_epoch),
        steps_per_epoch,
        tuple(model.steps_until(fall, steps_per_epoch) for fall in job.falls),
    )
    conditions = Conditions(
        dataset=with_validation_rows(dataset),
        schema=schema,
        config=training.config.train,
        seed=training.seed,
        objective=objective_named(training.objective),
        device=device,
        teacher_RT=_teacher(training, dataset),
        fixed_steps=steps,
        further=training.further,
    )
    return model, conditions, checkpoints_of(training, say, "refit", steps)


def with_validation_rows(dataset: Dataset) -> Dataset:
    """Return the data set with the validation rows after the training rows."""
    return replace(dataset, train=dataset.train.followed_by(dataset.valid))


def _teacher(training: TrainJob, dataset: Dataset) -> NDArray[np.float16] | None:
    """Return the teacher's logits (R, T) of the training rows, then of the validation rows."""
    if training.teacher is None:
        return None
    train_RT = read_teacher(training.teacher, dataset.train.labels_RT.shape, "train")
    valid_RT = read_teacher(training.teacher, dataset.valid.labels_RT.shape, "valid")
    return np.concatenate([train_RT, valid_RT])
