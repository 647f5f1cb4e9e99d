"""Public: a copy of a study's record that names no people and no machines.

Free text and exception messages may contain anything, so these are removed: the study file, its
description, commands, and causes after their first colon. The names of scenarios, tasks, features,
arms, students and settings stay: they are what the study is about. Other studies are not named.
"""

import re
from dataclasses import replace

from hinet_search.results.records import ArmRecord, Scalar, Start, TrialRecord
from hinet_search.results.study_record import StudyRecord

HIDDEN = "(left out)"
_PLACES = re.compile(
    r"""
      [a-z][a-z0-9+.-]*://\S+                     # a URL, up to the next space
    | (?<![\w)])(?:~[\w.-]*|\.{1,2}|[a-z]:)?[/\\][^\s'"]+  # a path from the root, home or here
    | [\w.-]+(?:[/\\][\w.-]+)+\.\w+               # a relative path of a file
    | [\w.+-]+@[\w-]+(?:\.[\w-]+)*                # user@host, or an e-mail address
    """,
    re.VERBOSE | re.IGNORECASE,
)


def redact(record: StudyRecord) -> StudyRecord:
    """Return the record in a form that may be published."""
    data = record.data
    return replace(
        record,
        description="",
        study_yaml="",
        command="",
        data=replace(
            data,
            source=data.source.split(" ")[0],  # its kind; paths and addresses follow
            split=_scrubbed(data.split),
            warnings=tuple(map(_scrubbed, data.warnings)),
        ),
        arms=tuple(map(_arm, record.arms)),
        students=tuple(map(_arm, record.students)),
        versions={name: _scrubbed(version) for name, version in record.versions.items()},
    )


def _arm(arm: ArmRecord) -> ArmRecord:
    return replace(
        arm,
        fixed={name: _value(value) for name, value in arm.fixed.items()},
        trials=tuple(map(_trial, arm.trials)),
        starts=tuple(map(_start, arm.starts)),
    )


def _start(start: Start) -> Start:
    """Hide the name of the other study that a configuration is from, and its arm."""
    values = {name: _value(value) for name, value in start.values.items()}
    return Start(values, HIDDEN, HIDDEN) if start.study else replace(start, values=values)


def _trial(trial: TrialRecord) -> TrialRecord:
    kind = trial.cause.partition("\n")[0].partition(": ")[0]
    parameters = {name: _value(value) for name, value in trial.parameters.items()}
    return replace(trial, cause=_scrubbed(kind), parameters=parameters)


def _value(value: Scalar) -> Scalar:
    return _scrubbed(value) if isinstance(value, str) else value


def _scrubbed(text: str) -> str:
    return _PLACES.sub(HIDDEN, text)
