"""Warm start: what the arms of a study try first: what its file, other studies and portfolios name.

With `warm_start`, an arm tries the best configurations that other studies of the same database have
for its model. Where a study has no such arm, it tries what its parameters share with the best
configuration of all. Best is meant on validation: no test value is read.

What carries over to another space is how a configuration differs from its default, as defaults
follow from the data: a batch of twice the default becomes a batch of twice the default.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from math import log as ln
from typing import TypeGuard

from hinet_search.common.database_url import parse_address
from hinet_search.common.errors import ConfigurationError, did_you_mean
from hinet_search.results.finalist_values import chosen
from hinet_search.results.records import ArmRecord, ParameterRange, Scalar, Start, TrialRecord
from hinet_search.results.study_record import StudyRecord
from hinet_search.search.plan.prepare import PreparedStudy
from hinet_search.storage.engine import Database, connect_if_there
from hinet_search.storage.listing import list_studies
from hinet_search.storage.load import load_record, load_starts
from hinet_search.study.distributions import AnyDistribution, FloatRange, IntRange
from hinet_search.study.launch_options import LaunchOptions
from hinet_search.study.load_study import Arm, ResolvedStudy
from hinet_search.study.search_space import SearchSpace

# Configurations of an arm from one study: more if it has the same data.
OF_SAME_DATA = 5
OF_OTHER_DATA = 3
OF_OTHER_MODEL = 1


def warm_started(
    ready: PreparedStudy, options: LaunchOptions, say: Callable[[str], None]
) -> PreparedStudy:
    """Return the study with all that its arms try first.

    An arm that is stored keeps what it had at its first launch, and what its file names is added.
    ConfigurationError for a study in `warm_start` that is not in the database, or has no complete
    trial. `say` is called where a new `warm_start` changes nothing.
    """
    study = ready.study
    names = study.spec.warm_start
    database = connect_if_there(options.storage_url(study))
    if database is None and not names:
        return ready
    if database is None:
        url = parse_address(options.storage_url(study)).masked
        raise ConfigurationError(
            f"{study.file.place(('warm_start',))}: warm_start needs studies in the database of "
            f"this one, and {url} is not there",
            remedy="launch those studies first",
        )
    with closing(database):
        stored = load_starts(database, study.name)
        is_new = any(arm.name not in stored for arm in study.arms)
        sources = _sources(study, database) if names and is_new else []
    arms = tuple(_with_starts(arm, ready, stored, sources) for arm in study.arms)
    _tell_of_ignored(study, stored, say)
    return replace(ready, study=replace(study, arms=arms))


def _tell_of_ignored(
    study: ResolvedStudy, stored: Mapping[str, Sequence[Start]], say: Callable[[str], None]
) -> None:
    known: set[str] = set()
    for starts in stored.values():
        known |= {start.study for start in starts}
    new = [name for name in study.spec.warm_start if stored and name not in known]
    if new:
        say(
            f"warm_start: {', '.join(new)} changes nothing for arms that are stored, which keep "
            "what they tried first at their first launch"
        )


def _with_starts(
    arm: Arm,
    ready: PreparedStudy,
    stored: Mapping[str, Sequence[Start]],
    sources: Sequence[StudyRecord],
) -> Arm:
    num_named = len(ready.study.spec.arms[arm.name].start)
    named = arm.starts[:num_named]
    if arm.name in stored:
        values = [start.values for start in stored[arm.name]]
        new = [start for start in named if start.values not in values]
        return replace(arm, starts=(*stored[arm.name], *new))
    warm: list[Start] = []
    for source in sources:
        warm += _starts(arm, source, ready.dataset.fingerprint)
    return replace(arm, starts=(*named, *warm, *arm.starts[num_named:]))


def _sources(study: ResolvedStudy, database: Database) -> list[StudyRecord]:
    known = [summary.name for summary in list_studies(database) if summary.name != study.name]
    records = []
    problems = []
    for index, name in enumerate(study.spec.warm_start):
        place = study.file.place(("warm_start", index))
        if name == study.name and study.spec.sizes:
            continue  # another size starts from this one
        if name == study.name:
            problems.append(f"{place}: warm_start must name other studies, got '{name}' itself")
        elif name not in known:
            problems.append(
                f"{place}: warm_start names '{name}', which is no study of {database.url}; "
                f"known: {', '.join(known) or 'none'}{did_you_mean(name, known)}"
            )
        else:
            records.append(load_record(database, name))
            if not any(_best_first(records[-1], records[-1].arms)):
                problems.append(f"{place}: study '{name}' has no complete trial to start from")
    if problems:
        raise ConfigurationError(*problems)
    return records


def _starts(arm: Arm, source: StudyRecord, fingerprint: str) -> Iterator[Start]:
    """Yield what an arm takes from a study, best first, each configuration once."""
    same_model = [known for known in source.arms if known.model == arm.model]
    most = OF_OTHER_MODEL
    if same_model:
        most = OF_SAME_DATA if source.data.fingerprint == fingerprint else OF_OTHER_DATA
    taken = [arm.space.default()]
    for known, trial in _best_first(source, same_model or source.arms):
        values = carried_over(trial.parameters, known.ranges, arm.space)
        if values not in taken:
            taken.append(values)
            yield Start(values, f"{known.name}/{trial.number}", source.name)
        if len(taken) > most:
            return


def _best_first(
    record: StudyRecord, arms: Iterable[ArmRecord]
) -> list[tuple[ArmRecord, TrialRecord]]:
    """Return complete trials: chosen finalists, then other trials, each by value."""
    trials = []
    for arm in arms:
        finalist = chosen(arm)
        number = finalist.trial_number if finalist else None
        for trial in arm.trials:
            if trial.state == "complete" and trial.value is not None:
                rank = (trial.number == number, record.sign * trial.value)
                trials.append((rank, arm, trial))
    trials.sort(key=lambda each: each[0], reverse=True)
    return [(arm, trial) for _, arm, trial in trials]


def carried_over(
    values: Mapping[str, Scalar], ranges: Iterable[ParameterRange], space: SearchSpace
) -> dict[str, Scalar]:
    """Return the draw of `space` that differs from its default as `values` does from its own.

    `ranges` declare the parameters of `values`. Parameters that only one side has, and words that
    are no choice here, are at the default of `space`.
    """
    defaults = {each.name: each.default for each in ranges}
    carried = {}
    for name in values.keys() & defaults.keys() & space.parameters.keys():
        carried[name] = _carried(values[name], defaults[name], space.parameters[name])
    return space.default_with(carried)


def _carried(value: Scalar, default: Scalar, to: AnyDistribution) -> Scalar:
    if value == default:
        return to.default
    if isinstance(to, IntRange | FloatRange):
        number = _shifted(value, default, to.default, log=to.log)
        return to.default if number is None else to.nearest(number)
    numbers = tuple(filter(_is_number, to.choices))
    if len(numbers) == len(to.choices) and min(numbers) > 0:
        number = _shifted(value, default, to.default, log=True)
        if number is not None:
            return min(numbers, key=lambda choice: abs(ln(choice / number)))
    return value if value in to.choices else to.default


def _shifted(value: Scalar, default: Scalar, to: Scalar, *, log: bool) -> float | None:
    """Return what is as far from `to` as a value from its default, by ratio if `log`."""
    if not (_is_number(value) and _is_number(default) and _is_number(to)):
        return None
    if not log:
        return to + value - default
    return to * value / default if min(value, default, to) > 0 else None


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
