"""Ablation: train without groups of inputs before the search, without its choices after it.

Inputs are chosen once, before the first trial, and stored with the arms that follow the choice. A
later launch takes it from there, so that all trials of a study have the same inputs.

A choice of the search is a setting that differs from the default of its space, or settings that
belong together. The best finalist is trained without each, with seeds that chose nothing: seeds of
the finalists chose the best of several, so they flatter it (docs/results/claims_of_choices.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from hinet_search.common import crash_points
from hinet_search.common.errors import ConfigurationError
from hinet_search.results.ablation import (
    EVERY_CHOICE,
    InputChoice,
    changed,
    choose_inputs,
    measured_choices,
    sentence,
)
from hinet_search.results.data_record import GROUPS, groups_without
from hinet_search.results.objectives import Objective
from hinet_search.results.records import FinalistRecord, Scalar
from hinet_search.results.study_record import PairedRun
from hinet_search.search.context import PhaseContext
from hinet_search.search.dispatch import Phases
from hinet_search.search.phases.finalists import Candidate, best_of, paired_seeds, serving_limits
from hinet_search.search.phases.job_queue import JobQueue, QueuedJob
from hinet_search.search.plan.forecast import forecast, measuring_arm
from hinet_search.search.plan.prepare import PreparedStudy
from hinet_search.search.plan.size_limits import default_of
from hinet_search.search.progress import Event
from hinet_search.search.sampling import derive_seed
from hinet_search.study.distributions import FloatRange
from hinet_search.study.load_study import (
    NUMBER_ENCODING,
    NUMBER_ENCODINGS,
    SEQUENCE_READER,
    UNIT_SCALE,
    Arm,
)
from hinet_search.study.search_space import SearchSpace
from hinet_search.study.study_spec import AUTO, ChoicesSpec
from hinet_search.training.jobs.messages import TrainingResult
from hinet_search.training.jobs.train import train
from hinet_search.training.setting_names import setting_of
from hinet_search.training.trial_config import TrialConfig, build_config

# Which rate suits depends on the batch size, and inputs are chosen together.
TOGETHER = {"train.batch_size": "train.learning_rate"}
INPUTS = "features."
OF_THEIR_OWN = (NUMBER_ENCODING, NUMBER_ENCODINGS, SEQUENCE_READER, UNIT_SCALE)

Configs = Mapping[tuple[str, ...], TrialConfig]  # by what is left out


def with_chosen_inputs(ready: PreparedStudy, context: PhaseContext) -> Phases[tuple[Arm, ...]]:
    """Return the study's arms with the chosen groups of inputs, measured first if need be.

    An arm that fixes or searches `features.groups` keeps its own. Once a trial was made without a
    choice, groups are only measured.
    """
    arms = ready.study.arms
    store = context.store
    followers = [arm for arm in arms if GROUPS not in (*arm.space.parameters, *arm.space.fixed)]
    stored = [store.fixed_of(arm.name).get(GROUPS) for arm in followers]
    # The groups that an earlier launch gave to any of the arms.
    groups = next((groups for groups in stored if isinstance(groups, str)), None)
    if groups is None and forecast(context.spec, ()).inputs:
        groups = yield from _choose_groups(ready, followers, context)
    if groups is None:
        return arms
    fixed = {arm.name: arm for arm in arms}
    for arm in followers:
        fixed[arm.name] = arm.fixing({GROUPS: groups})
        if GROUPS not in store.fixed_of(arm.name):
            store.record_fixed(arm.name, {GROUPS: groups})
            crash_points.point("after_inputs_fixed")
    return tuple(fixed.values())


def _choose_groups(
    ready: PreparedStudy, followers: Sequence[Arm], context: PhaseContext
) -> Phases[str | None]:
    """Measure, and say what follows; return the groups that the arms get, None where none does."""
    choice = yield from _measured_inputs(ready, context)
    has_trials = any(context.store.trials(arm.name) for arm in followers)
    is_followed = bool(followers) and not has_trials
    texts = [sentence(choice, is_followed=is_followed)]
    own = [arm.name for arm in ready.study.arms if arm not in followers]
    if own:
        texts.append(f"{', '.join(own)}: inputs stay as the study or a space sets them ({GROUPS})")
    if has_trials:
        texts.append("only measured: the study has trials with all of its inputs already")
    for text in texts:
        context.watcher.event(Event("inputs", text))
    if not is_followed:
        return None
    return groups_without(choice.dropped, context.spec.data.features.group_names)


def _measured_inputs(ready: PreparedStudy, context: PhaseContext) -> Phases[InputChoice]:
    """Train what is not stored yet, and choose."""
    features = ready.study.spec.data.features
    spec = context.spec.inputs
    assert spec is not None, "asked of a study that measures its inputs"
    arm = measuring_arm(ready.study, ready.dataset)
    context.store.drop_other_runs(arm.name)

    def measure(sets: Sequence[tuple[str, ...]]) -> Phases[InputChoice]:
        configs = {}
        for left_out in sets:
            groups = groups_without(left_out, features.group_names)
            configs[left_out] = default_of(arm.fixing({GROUPS: groups}))
        yield trainings(arm.name, configs, spec.seeds, context)
        runs = [run for run in context.store.paired_runs() if not run.is_of_choices]
        return choose_inputs(runs, context.spec.objective, context.spec.comparison.margin)

    optional = features.optional_groups
    choice = yield from measure([(), *((group,) for group in optional)])
    small = tuple(group for group in optional if group in choice.small)
    if len(small) > 1 and features.leaves_inputs_without(small):
        choice = yield from measure([small])
    return choice


def choices_of(
    space: SearchSpace, drawn: Mapping[str, Scalar], importances: Mapping[str, float]
) -> list[tuple[str, ...]]:
    """Return the choices in a draw: settings that are taken back together.

    What a condition switches with a setting is part of its choice. Choices of continuous settings
    alone come last, and before that the more important ones first.
    """
    groups: dict[str, list[str]] = {}
    for name, value in drawn.items():
        if not changed(value, space.parameters[name].default):
            continue
        group = TOGETHER.get(name, name)
        if name.startswith(INPUTS) and setting_of(name) not in OF_THEIR_OWN:
            group = INPUTS
        groups.setdefault(group, []).append(name)
    choices = []
    for names in groups.values():
        without = taken_back(space, drawn, names)
        choices.append(tuple(name for name in drawn if changed(drawn[name], without.get(name))))
    apart = [each for each in choices if not any(set(each) < set(other) for other in choices)]

    def rank(names: Sequence[str]) -> tuple[bool, float]:
        is_continuous = all(isinstance(space.parameters[name], FloatRange) for name in names)
        return is_continuous, -max(importances.get(name, 0.0) for name in names)

    return sorted(apart, key=rank)


def taken_back(
    space: SearchSpace, drawn: Mapping[str, Scalar], names: Sequence[str]
) -> dict[str, Scalar]:
    """Return the draw with these settings at their defaults, and what then applies."""
    return space.default_with({name: drawn[name] for name in drawn if name not in names})


def measure_choices(candidates: Sequence[Candidate], context: PhaseContext) -> Phases[None]:
    """Train the best finalist without its choices, unless that is stored, and say what moved it."""
    spec = context.spec.choices
    assert spec is not None, "asked of a study that measures its choices"
    ahead = forecast(context.spec, ())
    context.progress.ahead = ahead.students + ahead.refits
    candidate = _best(candidates, spec, context)
    if candidate is None or not choices_of(candidate.arm.space, candidate.drawn, {}):
        best = f"{candidate.key} is the default" if candidate else "no finalist has every seed"
        context.watcher.event(Event("choices", f"no choice to take back: {best}"))
        return
    context.store.drop_other_runs(candidate.key)
    configs = _without_choices(candidate, spec, context)
    yield trainings(candidate.key, configs, spec.seeds, context)
    measured = measured_choices(context.store.load_record())
    if measured is not None:
        context.watcher.event(Event("choices", measured.sentence))


def _best(
    candidates: Sequence[Candidate], spec: ChoicesSpec, context: PhaseContext
) -> Candidate | None:
    """Return the best of the arms' chosen finalists on validation, or the named arm's."""
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


def _without_choices(candidate: Candidate, spec: ChoicesSpec, context: PhaseContext) -> Configs:
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


def trainings(of: str, configs: Configs, num_seeds: int, context: PhaseContext) -> JobQueue:
    """Return the trainings of an arm (inputs) or a finalist (choices) that are not stored.

    All sets are trained with one seed before the next, so that seeds stay paired if the study
    stops.
    """
    first = PairedRun(of, (), 0, 0.0)
    purpose = "choices" if first.is_of_choices else "inputs"
    stored = context.store.paired_runs()
    done = {(run.left_out, run.seed) for run in stored if run.is_of_choices == first.is_of_choices}
    jobs = []
    for index in range(num_seeds):
        seed = derive_seed(context.spec.seed, purpose, index)
        for number, (left_out, config) in enumerate(configs.items()):
            if (left_out, seed) in done:
                continue
            # Groups may have any names, so checkpoints are in numbered folders. No arm can have
            # the name of the folder around them.
            checkpoints = context.checkpoints / f"({purpose})" / of / f"{number}-seed-{seed}"
            payload = context.train_job(config, seed, checkpoints)
            without = f" without {', '.join(left_out)}" if left_out else ""
            key = f"{without.strip() or 'all inputs'} seed {index + 1}"
            if first.is_of_choices:
                key = f"{of}{without}, choice seed {index + 1}"
            run = replace(first, left_out=left_out, seed=seed)
            store = partial(_store, context, run, checkpoints)
            jobs.append(QueuedJob(key, train, payload, store, epochs=0.0))
    num_done = num_seeds * len(configs) - len(jobs)
    return JobQueue(purpose, jobs, context, num_done=num_done)


def _store(
    context: PhaseContext, run: PairedRun, checkpoints: Path, result: TrainingResult
) -> None:
    assert result.best is not None, "a training without a best evaluation has failed"
    context.store.record_paired_run(replace(run, value=result.best.objective))
    crash_points.point("after_paired_run")
    context.drop(checkpoints)
