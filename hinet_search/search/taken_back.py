"""Taken back: train the best finalist without each choice that the search made in it.

A choice is a setting that differs from the default of its space, or settings that belong together.
All trainings have seeds that chose nothing: those of the finalists chose the best of several, so
they flatter it (docs/results/claims_of_choices.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from hinet_search.common.errors import ConfigurationError
from hinet_search.results.choice_worth import EVERY_CHOICE, changed, measured_choices
from hinet_search.results.objectives import Objective
from hinet_search.results.paired_runs import PairedRun
from hinet_search.results.records import FinalistRecord, Scalar
from hinet_search.search.context import PhaseContext
from hinet_search.search.dispatch import Drive
from hinet_search.search.phases.finalists import Candidate, best_of, paired_seeds, serving_limits
from hinet_search.search.phases.job_queue import JobQueue, QueuedJob
from hinet_search.search.progress import Event
from hinet_search.search.sampling import derive_seed
from hinet_search.study.distributions import FloatRange
from hinet_search.study.load_study import (
    NUMBER_ENCODING,
    NUMBER_ENCODINGS,
    SEQUENCE_READER,
    UNIT_SCALE,
)
from hinet_search.study.measurements import AUTO, ChoicesSpec
from hinet_search.study.search_space import SearchSpace
from hinet_search.training.jobs.messages import TrainingResult
from hinet_search.training.jobs.train import train
from hinet_search.training.setting_names import setting_of
from hinet_search.training.trial_config import TrialConfig, build_config

FOLDER = "(choices)"  # of checkpoints; no arm can have this name
# Which rate suits depends on the batch size, and inputs are chosen together.
TOGETHER = {"train.batch_size": "train.learning_rate"}
INPUTS = "features."
OF_THEIR_OWN = (NUMBER_ENCODING, NUMBER_ENCODINGS, SEQUENCE_READER, UNIT_SCALE)


def choices_of(
    space: SearchSpace, drawn: Mapping[str, Scalar], importances: Mapping[str, float]
) -> list[tuple[str, ...]]:
    """Return the choices in a draw: settings that are taken back together.

    What a condition switches with a setting is part of its choice. Choices of continuous settings
    alone come last, and before that the more important ones first.
    """
    groups: dict[str, list[str]] = {}
    for name, value in drawn.items():
        if changed(value, space.parameters[name].default):
            groups.setdefault(_group(name), []).append(name)
    choices = []
    for names in groups.values():
        without = taken_back(space, drawn, names)
        choices.append(tuple(name for name in drawn if changed(drawn[name], without.get(name))))
    apart = [each for each in choices if not any(set(each) < set(other) for other in choices)]

    def rank(names: Sequence[str]) -> tuple[bool, float]:
        is_continuous = all(isinstance(space.parameters[name], FloatRange) for name in names)
        return is_continuous, -max(importances.get(name, 0.0) for name in names)

    return sorted(apart, key=rank)


def _group(name: str) -> str:
    if name.startswith(INPUTS) and setting_of(name) not in OF_THEIR_OWN:
        return INPUTS
    return TOGETHER.get(name, name)


def taken_back(
    space: SearchSpace, drawn: Mapping[str, Scalar], names: Sequence[str]
) -> dict[str, Scalar]:
    """Return the draw with these settings at their defaults, and what then applies."""
    return space.default_with({name: drawn[name] for name in drawn if name not in names})


def measure_choices(candidates: Sequence[Candidate], context: PhaseContext, drive: Drive) -> None:
    """Train the best finalist without its choices, unless that is stored, and say what moved it."""
    spec = context.spec.choices
    assert spec is not None, "asked of a study that measures its choices"
    context.progress.ahead = context.spec.most_student_trainings
    candidate = _best(candidates, spec, context)
    if candidate is None or not choices_of(candidate.arm.space, candidate.drawn, {}):
        best = f"{candidate.key} is the default" if candidate else "no finalist has every seed"
        context.watcher.event(Event("choices", f"no choice to take back: {best}"))
        return
    context.store.drop_other_runs(candidate.key)
    drive(_phase(candidate, spec, context))
    measured = measured_choices(context.store.load_record())
    if measured is not None:
        context.watcher.event(Event("choices", measured.sentence))


def _best(
    candidates: Sequence[Candidate], spec: ChoicesSpec, context: PhaseContext
) -> Candidate | None:
    """Return the best of the arms' chosen finalists on validation, or that of the named arm."""
    chosen: dict[str, FinalistRecord] = {}
    for name, finalists in context.store.finalists().items():
        if spec.arm in (AUTO, name):
            chosen |= {f"{name}/{each.trial_number}": each for each in finalists if each.chosen}
    of_launch = {each.key: each for each in candidates if each.key in chosen}
    objective = Objective(context.spec.objective)
    seeds = paired_seeds(context.spec)
    known = [chosen[key] for key in of_launch]
    best = best_of(known, objective, seeds, serving_limits(context.spec))
    return next((each for key, each in of_launch.items() if chosen[key] is best), None)


def _phase(candidate: Candidate, spec: ChoicesSpec, context: PhaseContext) -> JobQueue:
    """Return the trainings that are not stored, all of one seed before the next."""
    stored = context.store.paired_runs()
    done = {(run.left_out, run.seed) for run in stored if run.is_of_choices}
    configs = _configs(candidate, spec, context)
    jobs = []
    for index in range(spec.seeds):
        seed = derive_seed(context.spec.seed, "choices", index)
        for number, (left_out, config) in enumerate(configs.items()):
            if (left_out, seed) in done:
                continue
            checkpoints = context.checkpoints / FOLDER / candidate.key / f"{number}-seed-{seed}"
            payload = context.train_job(config, seed, checkpoints)
            without = f" without {', '.join(left_out)}" if left_out else ""
            run = PairedRun(candidate.key, left_out, seed, 0.0)
            store = partial(_store, context, run, checkpoints)
            key = f"{candidate.key}{without}, choice seed {seed}"
            jobs.append(QueuedJob(key, train, payload, store, passes=0.0))
    num_done = spec.seeds * len(configs) - len(jobs)
    return JobQueue("choices", jobs, context, num_done=num_done)


def _configs(
    candidate: Candidate, spec: ChoicesSpec, context: PhaseContext
) -> dict[tuple[str, ...], TrialConfig]:
    """Return the configurations to train by what is taken back, the finalist itself first."""
    arm = candidate.arm
    record = context.store.load_record()
    importances = next(each.importances for each in record.arms if each.name == arm.name)
    choices = choices_of(arm.space, candidate.drawn, importances)
    configs: dict[tuple[str, ...], TrialConfig] = {(): candidate.config}
    if len(choices) > 1:
        configs[(EVERY_CHOICE,)] = build_config(arm.model, arm.space.values(arm.space.default()))
    for names in choices[: spec.most]:
        drawn = taken_back(arm.space, candidate.drawn, names)
        try:
            configs[names] = build_config(arm.model, arm.space.values(drawn))
        except ConfigurationError as error:  # values that do not fit together
            text = f"{candidate.key} without {', '.join(names)}: {error}"
            context.watcher.event(Event("failed", text, candidate.key))
    return configs


def _store(
    context: PhaseContext, run: PairedRun, checkpoints: Path, result: TrainingResult
) -> None:
    assert result.best is not None, "a training without a best evaluation has failed"
    context.store.record_paired_run(replace(run, value=result.best.objective))
    context.drop(checkpoints)
