"""Chosen inputs: measure what groups of inputs are worth, and leave out what adds too little.

The choice is made once, before the first trial, and stored with the arms that follow it. A later
launch takes it from there, so that all trials of a study have the same inputs.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from hinet_search.common import crash_points
from hinet_search.results.input_groups import GROUPS, groups_without
from hinet_search.results.input_worth import InputChoice, choose_inputs, sentence
from hinet_search.results.paired_runs import PairedRun
from hinet_search.search.context import PhaseContext
from hinet_search.search.dispatch import Drive
from hinet_search.search.phases.job_queue import JobQueue, QueuedJob
from hinet_search.search.plan.plan import PreparedStudy, measuring_arm
from hinet_search.search.plan.size_limits import default_of
from hinet_search.search.progress import Event
from hinet_search.search.sampling import derive_seed
from hinet_search.storage.store import StudyStore
from hinet_search.study.load_study import Arm
from hinet_search.training.jobs.messages import TrainingResult
from hinet_search.training.jobs.train import train

FOLDER = "(inputs)"  # of checkpoints; no arm can have this name


def with_chosen_inputs(
    ready: PreparedStudy, context: PhaseContext, drive: Drive
) -> tuple[Arm, ...]:
    """Return the study's arms with the chosen groups of inputs, measured first if need be.

    An arm that fixes or searches `features.groups` keeps its own. Once a trial was made without a
    choice, groups are only measured.
    """
    arms = ready.study.arms
    store = context.store
    followers = [arm for arm in arms if not _sets_inputs(arm)]
    groups = _stored(followers, store)
    if groups is None and context.spec.most_input_trainings:
        groups = _choose(ready, followers, context, drive)
    if groups is None:
        return arms
    fixed = {arm.name: arm for arm in arms}
    for arm in followers:
        fixed[arm.name] = arm.fixing({GROUPS: groups})
        if GROUPS not in store.fixed_of(arm.name):
            store.record_fixed(arm.name, {GROUPS: groups})
            crash_points.point("after_inputs_fixed")
    return tuple(fixed.values())


def _sets_inputs(arm: Arm) -> bool:
    return GROUPS in (*arm.space.parameters, *arm.space.fixed)


def _stored(followers: Sequence[Arm], store: StudyStore) -> str | None:
    """Return the groups that an earlier launch gave to any of these arms."""
    stored = [store.fixed_of(arm.name).get(GROUPS) for arm in followers]
    return next((groups for groups in stored if isinstance(groups, str)), None)


def _choose(
    ready: PreparedStudy, followers: Sequence[Arm], context: PhaseContext, drive: Drive
) -> str | None:
    """Measure, and say what follows; return the groups that the arms get, None where none does."""
    choice = _measured(ready, context, drive)
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


def _measured(ready: PreparedStudy, context: PhaseContext, drive: Drive) -> InputChoice:
    """Train what is not stored yet, and choose."""
    features = ready.study.spec.data.features
    arm = measuring_arm(ready.study, ready.dataset)
    context.store.drop_other_runs(arm.name)
    optional = features.optional_groups
    sets: list[tuple[str, ...]] = [(), *((group,) for group in optional)]
    drive(measuring_phase(arm, sets, context))
    choice = _choice(context)
    small = tuple(group for group in optional if group in choice.small)
    if len(small) > 1 and features.leaves_inputs_without(small):
        drive(measuring_phase(arm, [small], context))
        choice = _choice(context)
    return choice


def _choice(context: PhaseContext) -> InputChoice:
    spec = context.spec
    return choose_inputs(_runs(context), spec.objective, spec.comparison.margin)


def _runs(context: PhaseContext) -> list[PairedRun]:
    """Return the stored trainings that measured inputs."""
    return [run for run in context.store.paired_runs() if not run.is_of_choices]


def measuring_phase(arm: Arm, sets: Sequence[tuple[str, ...]], context: PhaseContext) -> JobQueue:
    """Train the default of an arm without each of these sets of groups, unless that is stored.

    All sets are trained with one seed before the next, so that seeds stay paired if the study
    stops.
    """
    spec = context.spec
    assert spec.inputs is not None, "asked of a study that measures its inputs"
    known = spec.data.features.group_names
    done = {(run.left_out, run.seed) for run in _runs(context)}
    jobs = []
    for index in range(spec.inputs.seeds):
        seed = derive_seed(spec.seed, "inputs", index)
        for number, left_out in enumerate(sets):
            if (left_out, seed) in done:
                continue
            config = default_of(arm.fixing({GROUPS: groups_without(left_out, known)}))
            # Groups may have any names, so checkpoints are in numbered folders.
            checkpoints = context.checkpoints / FOLDER / str(index * len(sets) + number)
            payload = context.train_job(config, seed, checkpoints)
            inputs = f"without {', '.join(left_out)}" if left_out else "all inputs"
            store = partial(_store, context, PairedRun(arm.name, left_out, seed, 0.0), checkpoints)
            jobs.append(QueuedJob(f"{inputs} seed {seed}", train, payload, store, passes=0.0))
    num_done = spec.inputs.seeds * len(sets) - len(jobs)
    return JobQueue("inputs", jobs, context, num_done=num_done)


def _store(
    context: PhaseContext, run: PairedRun, checkpoints: Path, result: TrainingResult
) -> None:
    assert result.best is not None, "a training without a best evaluation has failed"
    context.store.record_paired_run(replace(run, value=result.best.objective))
    crash_points.point("after_input_run")
    context.drop(checkpoints)
