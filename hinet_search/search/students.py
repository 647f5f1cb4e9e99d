"""Students: the arms that have one, and the arm of a student.

A student is the chosen finalist of an arm, trained again with a teacher's scores beside the labels.
Its search space holds the teacher's weight and temperature; everything else is fixed to what the
finalist has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from hinet_search.results.objectives import Objective
from hinet_search.results.records import DISTILLED, FinalistRecord
from hinet_search.results.trade_offs import Objectives
from hinet_search.search.arm_search import ArmSearch
from hinet_search.search.context import PhaseContext
from hinet_search.search.dispatch import Phases
from hinet_search.search.phases.finalists import Candidate, candidates_of
from hinet_search.search.phases.trials import TrialPhase, TrialsThenFinalists
from hinet_search.search.progress import ArmProgress
from hinet_search.storage.row_mapping import new_arm
from hinet_search.study.load_study import Arm
from hinet_search.study.search_space import load_space
from hinet_search.study.study_spec import MOST_AUTO, StudySpec, TeachingSpec
from hinet_search.training.trial_config import movable

SPACE = "teaching"


@dataclass(frozen=True)
class Learner:
    """An arm that may have a student, with its chosen finalist."""

    arm: Arm
    finalist: FinalistRecord

    @property
    def flops(self) -> int:
        """FLOPs of the forward pass of a row; 0 for models that are not networks."""
        return self.finalist.runs[0].cost.flops_per_row

    @property
    def value(self) -> float:
        """Mean of the objective on validation over the seeds."""
        return fmean(run.valid_objective for run in self.finalist.runs)


def choose_students(
    finalists: Sequence[Learner], teaching: TeachingSpec, margin: float, objective: Objective
) -> list[Learner]:
    """Return the networks to teach: those named, or the best and the cheapest within the margin."""
    networks = [each for each in finalists if each.flops > 0]
    if teaching.students != "auto":
        return [each for each in networks if each.arm.name in teaching.students]
    if not networks:
        return []
    sign = objective.sign
    best = max(networks, key=lambda each: sign * each.value)
    most = objective.margin_at(margin, best.value)
    near = [each for each in networks if sign * (best.value - each.value) <= most]
    cheapest = sorted(near, key=lambda each: each.flops)[: MOST_AUTO - 1]
    return [each for each in networks if each is best or each in cheapest]


def student_of(learner: Learner) -> Arm:
    """Return the arm of a student: a finalist's configuration, searched over its teacher."""
    arm = learner.arm
    finalist = learner.finalist
    values = arm.space.values(finalist.parameters)
    space = replace(load_space(SPACE).with_fixed(values, arm.place), max_parameters=None)
    key = f"{arm.name}/{finalist.trial_number}"
    name = f"{DISTILLED}{arm.name}"
    return Arm(name, arm.model, space, arm.place, student_of=key, is_decided=arm.is_decided)


def students_of(
    finalists: Mapping[str, Sequence[FinalistRecord]],
    candidates: Sequence[Candidate],
    spec: StudySpec,
) -> list[Arm]:
    """Return the arms of the students that the candidates' chosen finalists become."""
    assert spec.teaching is not None, "asked of a study that teaches"
    arms = {candidate.arm.name: candidate.arm for candidate in candidates}
    chosen = []
    for name, of_arm in finalists.items():
        chosen += [Learner(arms[name], each) for each in of_arm if each.chosen and name in arms]
    margin = spec.comparison.margin
    learners = choose_students(chosen, spec.teaching, margin, Objective(spec.objective))
    return [student_of(each) for each in learners]


def teach(students: Sequence[Arm], context: PhaseContext) -> Phases[list[Candidate]]:
    """Search the students and train their finalists; `context` has the teacher's scores."""
    teaching = context.spec.teaching
    assert teaching is not None, "asked of a study that teaches"
    finalists = context.spec.finalists.model_copy(update={"top": teaching.top})
    spec = context.spec.model_copy(update={"trials": teaching.trials, "finalists": finalists})
    context = replace(context, spec=spec)
    store = context.store
    wanted = {arm.name: arm.student_of for arm in students}
    outdated = [name for name, key in store.students().items() if wanted.get(name) != key]
    drop_students(context, outdated)
    for arm in students:
        store.add_arm(new_arm(arm, movable(arm.model, arm.space.ranges())))
        context.progress.arms[arm.name] = ArmProgress(arm.name, spec.trials)
    objectives = Objectives(Objective(spec.objective))  # a teacher changes no cost
    searches = []
    for arm in students:  # none is too large: it has the size of the finalist that teaches it
        search = ArmSearch(arm, spec, objectives, store, lambda _arm, _config: "")
        searches.append(search)
    trials = TrialPhase(searches, context)
    yield TrialsThenFinalists(trials, context)
    for search in searches:
        store.record_importances(search.arm.name, search.importances())
    return candidates_of(searches, spec.finalists)


def drop_students(context: PhaseContext, names: Sequence[str]) -> None:
    """Drop students of another teacher or another finalist, with their files."""
    if names:
        context.store.drop_students(names)
    for name in names:
        context.drop(context.artifacts / name)
