"""Teachers: does a student learn more from scores out of fold, or from a second generation?

`docs/results/teachers.py STUDY`: a teacher is the mean of the logits of one default model of each
arm in TEACHERS. In-sample, each learned from all training rows; out of fold, each row is scored by
models that learned from the other folds; in the second generation, students of the first teacher
are teachers too. All teach the default of each arm in STUDENTS, with paired seeds. Values are the
study's objective on validation; no test split is opened.
Shape legend: R training rows, T tasks.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev

import numpy as np
import torch
from numpy.typing import NDArray

from hinet_search import api
from hinet_search.data.hashing import uniform
from hinet_search.results.objectives import objective_named
from hinet_search.search.plan.plan import PreparedStudy
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.training.divergence import Diverged
from hinet_search.training.run_state import Conditions
from hinet_search.training.seeding import seeded_model
from hinet_search.training.trainable import Trainable, fit_all, trainable
from hinet_search.training.trial_config import TrialConfig, build_config

TEACHERS = ("shared_bottom", "star", "mmoe", "ple")
STUDENTS = ("shared_bottom", "star")
WEIGHT = 0.9  # of the teacher, the default of the space `teaching`
FOLDS, FOLD_SEED = 5, 20
TEACHER_SEED = 100
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Study:
    """A prepared study and the default configurations of its arms."""

    prepared: PreparedStudy

    def config(self, arm_name: str, **train: float) -> TrialConfig:
        """The default of an arm, with some settings `train.NAME`."""
        arm = next(arm for arm in self.prepared.study.arms if arm.name == arm_name)
        settings = {f"train.{name}": value for name, value in train.items()}
        return build_config(arm.model, {**arm.space.values(arm.space.default()), **settings})

    def train(
        self,
        config: TrialConfig,
        seed: int,
        teacher_RT: NDArray[np.float16] | None = None,
        is_learned_R: NDArray[np.bool_] | None = None,
    ) -> tuple[Trainable, float]:
        """Train on all training rows, or on some; return the model and its best objective."""
        dataset, schema = config.features.view(self.prepared.dataset)
        if is_learned_R is not None:
            dataset = replace(dataset, train=dataset.train.where(is_learned_R))
        model = trainable(seeded_model(lambda: config.build(schema), seed), schema, CPU)
        objective = objective_named(self.prepared.study.spec.objective)
        conditions = Conditions(
            dataset, schema, config.train, seed, seed, objective, CPU, teacher_RT
        )
        (outcome,) = fit_all([model], [conditions], [_Unwatched()])
        if isinstance(outcome, Diverged):
            raise outcome
        best = next(each for each in outcome.evaluations if each.step == outcome.best_step)
        return model, best.objective

    def scores(self, model: Trainable, config: TrialConfig) -> NDArray[np.float32]:
        """Logits (R, T) of all training rows."""
        dataset, _ = config.features.view(self.prepared.dataset)
        scores_RT: NDArray[np.float32] = model.scores(dataset.train)
        return scores_RT


class _Unwatched:
    """Watches nothing and never stops a training."""

    def on_evaluation(self, _record: object) -> None:
        pass

    def should_stop(self) -> bool:
        return False


def main() -> None:
    """Print the objective of every student by teacher, and its gain over the untaught model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    study = Study(api.ready(options.study, LaunchOptions()))
    first_RT = in_sample(study)
    teachers = {
        "none": None,
        "in-sample": first_RT,
        "out of fold": out_of_fold(study),
        "second generation": second_generation(study, first_RT),
    }
    for arm in STUDENTS:
        values = {
            name: [taught(study, arm, teacher_RT, seed) for seed in range(1, options.seeds + 1)]
            for name, teacher_RT in teachers.items()
        }
        print("\n".join(lines(arm, values)), flush=True)


def taught(study: Study, arm: str, teacher_RT: NDArray[np.float16] | None, seed: int) -> float:
    """The objective of a student, or without a teacher of the arm itself."""
    weight = 0.0 if teacher_RT is None else WEIGHT
    return study.train(study.config(arm, teacher_weight=weight), seed, teacher_RT)[1]


def in_sample(study: Study) -> NDArray[np.float16]:
    """The teacher's logits, each model having learned from all rows."""
    return mean([logits_of(study, arm, number) for number, arm in enumerate(TEACHERS)])


def second_generation(study: Study, first_RT: NDArray[np.float16]) -> NDArray[np.float16]:
    """The logits of a teacher that is half the first one, half its students."""
    students = [logits_of(study, arm, number, first_RT) for number, arm in enumerate(STUDENTS)]
    return mean([first_RT, mean(students)])


def logits_of(
    study: Study, arm: str, number: int, teacher_RT: NDArray[np.float16] | None = None
) -> NDArray[np.float32]:
    """The logits of a default model that learned from all rows, and from a teacher if given."""
    config = study.config(arm, teacher_weight=0.0 if teacher_RT is None else WEIGHT)
    model, _ = study.train(config, TEACHER_SEED + number, teacher_RT)
    return study.scores(model, config)


def out_of_fold(study: Study) -> NDArray[np.float16]:
    """The teacher's logits, each row scored by models that learned from the other folds."""
    num_rows = study.prepared.dataset.train.num_rows
    fold_R = (uniform(np.arange(num_rows, dtype=np.uint64), FOLD_SEED) * FOLDS).astype(int)
    logits = []
    for number, arm in enumerate(TEACHERS):
        config = study.config(arm)
        logits_RT = np.zeros(study.prepared.dataset.train.labels_RT.shape, dtype=np.float32)
        for fold in range(FOLDS):
            model, _ = study.train(config, TEACHER_SEED + number, is_learned_R=fold_R != fold)
            logits_RT[fold_R == fold] = study.scores(model, config)[fold_R == fold]
        logits.append(logits_RT)
    return mean(logits)


def mean(logits: Sequence[NDArray[np.floating]]) -> NDArray[np.float16]:
    """The mean of logits (R, T), in the precision of stored teachers."""
    mean_RT: NDArray[np.float16] = np.mean(logits, axis=0).astype(np.float16)
    return mean_RT


def lines(arm: str, values: dict[str, list[float]]) -> Iterator[str]:
    """A line for every teacher: the mean over seeds, and the paired gain with its error."""
    for name, of_seeds in values.items():
        gains = [value - untaught for value, untaught in zip(of_seeds, values["none"], strict=True)]
        error = stdev(gains) / len(gains) ** 0.5
        yield f"| {arm} | {name} | {fmean(of_seeds):.4f} | {fmean(gains):+.4f} ± {error:.4f} |"


if __name__ == "__main__":
    main()
