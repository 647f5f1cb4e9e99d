"""Chosen inputs: measure what groups of inputs are worth, and leave out what adds too little.

The choice is made once, before the first trial, and stored with the arms that follow it. A later
launch takes it from there, so that all trials of a study have the same inputs.
"""

from collections.abc import Callable, Sequence

from hinet_search.common import crash_points
from hinet_search.results.input_groups import GROUPS, groups_without
from hinet_search.results.input_worth import InputChoice, choose_inputs, sentence
from hinet_search.search.context import PhaseContext
from hinet_search.search.dispatch import Phase
from hinet_search.search.phases.input_worth import InputTraining, InputWorthPhase
from hinet_search.search.plan.measuring_arm import measuring_arm
from hinet_search.search.plan.plan import PreparedStudy
from hinet_search.search.plan.size_limits import default_of
from hinet_search.search.progress import Event
from hinet_search.search.sampling import derive_seed
from hinet_search.storage.store import StudyStore
from hinet_search.study.load_study import Arm
from hinet_search.training.trial_config import TrialConfig


def with_chosen_inputs(
    ready: PreparedStudy, context: PhaseContext, drive: Callable[[Phase], None]
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
        choice = Measurement(ready, context, drive).choose()
        has_trials = any(store.trials(arm.name) for arm in followers)
        is_followed = bool(followers) and not has_trials
        context.watcher.event(Event("inputs", sentence(choice, is_followed=is_followed)))
        for text in _exceptions(arms, has_trials=has_trials):
            context.watcher.event(Event("inputs", text))
        known = context.spec.data.features.group_names
        groups = groups_without(choice.dropped, known) if is_followed else None
    if groups is None:
        return arms
    for arm in followers:
        if GROUPS not in store.fixed_of(arm.name):
            store.record_fixed(arm.name, {GROUPS: groups})
            crash_points.point("after_inputs_fixed")
    return tuple(arm.fixing({GROUPS: groups}) if arm in followers else arm for arm in arms)


def _sets_inputs(arm: Arm) -> bool:
    return GROUPS in (*arm.space.parameters, *arm.space.fixed)


def _stored(followers: Sequence[Arm], store: StudyStore) -> str | None:
    """Return the groups that an earlier launch gave to any of these arms."""
    stored = [store.fixed_of(arm.name).get(GROUPS) for arm in followers]
    return next((groups for groups in stored if isinstance(groups, str)), None)


def _exceptions(arms: Sequence[Arm], *, has_trials: bool) -> list[str]:
    """Say which arms do not follow the choice, and why."""
    own = ", ".join(arm.name for arm in arms if _sets_inputs(arm))
    texts = [f"{own}: inputs stay as the study or a space sets them ({GROUPS})"] if own else []
    if has_trials:
        texts.append("only measured: the study has trials with all of its inputs already")
    return texts


class Measurement:
    """Measures the groups of a study's inputs on its executor; `drive` runs a phase."""

    def __init__(
        self, ready: PreparedStudy, context: PhaseContext, drive: Callable[[Phase], None]
    ) -> None:
        self._context = context
        self._drive = drive
        self._features = ready.study.spec.data.features
        self._arm = measuring_arm(ready.study, ready.dataset)

    def choose(self) -> InputChoice:
        """Train what is not stored yet, and choose."""
        self._context.store.drop_input_runs(self._arm.name)
        optional = self._features.optional_groups
        choice = self._measure([(), *((group,) for group in optional)])
        small = tuple(group for group in optional if group in choice.small)
        if len(small) > 1 and self._features.leaves_inputs_without(small):
            choice = self._measure([small])
        return choice

    def _measure(self, sets: Sequence[tuple[str, ...]]) -> InputChoice:
        """Train without each of these sets of groups; return the choice from all trainings.

        All sets are trained with one seed before the next, so that seeds stay paired if the study
        stops.
        """
        context = self._context
        spec = self._context.spec
        assert spec.inputs is not None, "asked of a study that measures its inputs"
        seeds = [derive_seed(spec.seed, "inputs", index) for index in range(spec.inputs.seeds)]
        configs = {left_out: self._config(left_out) for left_out in sets}
        trainings = [
            InputTraining(self._arm.name, left_out, config, seed)
            for seed in seeds
            for left_out, config in configs.items()
        ]
        self._drive(InputWorthPhase(trainings, context.store.input_runs(), context))
        return choose_inputs(context.store.input_runs(), spec.objective, spec.comparison.margin)

    def _config(self, left_out: tuple[str, ...]) -> TrialConfig:
        """Return the default configuration of the arm without some groups."""
        groups = groups_without(left_out, self._features.group_names)
        return default_of(self._arm.fixing({GROUPS: groups}))
