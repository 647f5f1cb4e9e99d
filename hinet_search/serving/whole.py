"""Whole: the study that trains what a study has chosen: on all rows, or on another table.

Each of its arms has one configuration, which is not searched: of what is to be shipped, and of
the teachers that a student needs. It is launched, resumed, reported and exported as any study.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hinet_search.common.errors import ConfigurationError
from hinet_search.common.frozen_model import ALL
from hinet_search.results.ensemble_records import TEACHER
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import title
from hinet_search.serving.choice import ExportChoice
from hinet_search.serving.rebuild import records_of, values_of
from hinet_search.study.distributions import Value
from hinet_search.study.load_study import Arm, ResolvedStudy, check_study_name
from hinet_search.study.study_spec import FinalistSpec, PrunerSpec, StudySpec, TeachingSpec


@dataclass(frozen=True)
class _Configuration:
    """A finalist of an arm, and the teacher's settings if a student learns as it."""

    arm: str
    trial: int
    of_teacher: Mapping[str, Value]


def whole_study(
    study: ResolvedStudy,
    record: StudyRecord,
    what: ExportChoice,
    seeds: int,
    rows: str | None = None,
) -> ResolvedStudy:
    """Return the study that trains what is exported of a study, on all rows of its table.

    `rows` is the path of another table if `study` has that as its source: newer rows, for example.
    Settings are those that the study chose.
    Errors: ConfigurationError without a sample and other rows, StudyConflict if an arm has changed.
    """
    if record.data.sample is None and rows is None:
        raise ConfigurationError(
            f"study '{record.name}' must have searched on a sample, but has trained on all rows",
            remedy=f"hinet-search export {record.name}, or train on another table with --rows",
        )
    name = f"{study.name}-{what.name}-{'whole' if rows is None else on_rows(rows)}"
    check_study_name(name, f"{study.file.path}: the study that trains")
    configurations = list(_configurations(record, what))
    arms = [_decided(study, record, each, _name(each, configurations)) for each in configurations]
    students = [each.arm for each in configurations if each.of_teacher]
    sample = f" on {record.data.searched_on}" if record.data.sample else ""
    chosen = f"{title(what.name)} as {record.name} chose it{sample}"
    trained_on = "all rows" if rows is None else f"the rows of {Path(rows).name}"
    update = {"ensemble": what.is_ensemble, "description": f"{chosen}; trained on {trained_on}"}
    spec = _spec(study.spec, arms, students, seeds).model_copy(update=update)
    return replace(study, name=name, spec=spec, arms=tuple(arms))


def on_rows(path: str) -> str:
    """Return the part of a study's name that says on which table it trains: `on-tuesday`."""
    return f"on-{re.sub('[^A-Za-z0-9]+', '-', Path(path).stem).strip('-') or 'rows'}"


def with_rows(study: ResolvedStudy, path: str) -> Mapping[str, object]:
    """Return the settings that let a study read another table with the columns of its own."""
    if study.spec.data.source.kind == "table":
        return {"data.source.path": path}
    return {"data.source": {"kind": "table", "path": path}}


def _configurations(record: StudyRecord, what: ExportChoice) -> Iterator[_Configuration]:
    """Yield what has to be trained, each once: models, those that students learn as, teachers."""
    yielded: set[tuple[str, int]] = set()
    runs = list(what.runs)
    students = [run for run in runs if records_of(record, run.arm, run.trial_number)[0].student_of]
    teacher = record.ensemble(TEACHER)
    if students:
        assert teacher is not None, "a student has a teacher"
        runs = [*students, *runs, *(member.run for member in teacher.members)]
    for run in runs:
        arm, finalist = records_of(record, run.arm, run.trial_number)
        if not arm.student_of:
            configuration = _Configuration(arm.name, finalist.trial_number, {})
        else:
            name, _, number = arm.student_of.rpartition("/")
            configuration = _Configuration(name, int(number), finalist.parameters)
        key = (configuration.arm, configuration.trial)
        if key not in yielded:
            yielded.add(key)
            yield configuration


def _name(configuration: _Configuration, all_of_them: Sequence[_Configuration]) -> str:
    """Return the arm's name, with the trial if it is not the first of its arm."""
    first = next(each for each in all_of_them if each.arm == configuration.arm)
    if configuration is first:
        return configuration.arm
    return f"{configuration.arm}-{configuration.trial}"


def _decided(
    study: ResolvedStudy, record: StudyRecord, configuration: _Configuration, name: str
) -> Arm:
    """Return the arm of one configuration, whatever its size."""
    of_arm, finalist = records_of(record, configuration.arm, configuration.trial)
    arm = next(arm for arm in study.arms if arm.name == of_arm.name)
    values = {**values_of(study, of_arm, finalist), **configuration.of_teacher}
    places = {**dict.fromkeys(values, arm.place), **arm.space.places}
    space = replace(arm.space, parameters={}, fixed=values, max_parameters=None, places=places)
    return Arm(name, arm.model, space, arm.place, is_decided=True)


def _spec(spec: StudySpec, arms: Sequence[Arm], students: Sequence[str], seeds: int) -> StudySpec:
    """Return what is left of a specification when nothing is searched."""
    names = [arm.name for arm in arms]
    teaching = TeachingSpec(students=tuple(students), trials=1) if students else None
    refit = spec.finalists.refit
    of_all_models = {
        name: value for name, value in spec.fixed.items() if not name.startswith("model.")
    }
    return spec.model_copy(
        update={
            "sample": ALL,
            "trials": 1,
            "finalists": FinalistSpec(top=1, seeds=seeds, default=False, refit=refit),
            "pruner": PrunerSpec(kind="none"),
            "teaching": teaching,
            "reference": spec.reference if spec.reference in names else names[0],
            "objectives": (),
            "fixed": of_all_models,
            "parameters": {},
            "warm_start": (),
            "portfolio": False,
            "inputs": None,
            "choices": None,
            "budget": None,
            "cost_limit": None,
        }
    )
