"""Public: a study's record without what names its makers and their machines, so that all that is made of it has none.

What a person wrote freely or a message of an exception may say anything, so these are left out whole: the study file, its
description, commands, and causes behind their first colon. Names of scenarios, tasks, features and settings stay: they are
what the study is about.
"""

import re
from dataclasses import replace

from hinet_search.records import ArmRecord, Scalar, StudyRecord, TrialRecord

HIDDEN = "(left out)"
_PLACES = re.compile(
    r"""
      [a-z][a-z0-9+.-]*://\S+                     # an address, with whatever stands behind it
    | (?<![\w)])(?:~[\w.-]*|\.{1,2}|[a-z]:)?[/\\][^\s'"]+  # a path from a root, a home or a current folder
    | [\w.-]+(?:[/\\][\w.-]+)+\.\w+               # a relative path of a file
    | [\w.+-]+@[\w-]+(?:\.[\w-]+)*                # somebody at some host
    """,
    re.VERBOSE | re.IGNORECASE,
)


def public(record: StudyRecord) -> StudyRecord:
    """The record as it may leave the house."""
    data = record.data
    return replace(
        record,
        description="",
        study_yaml="",
        command="",
        data=replace(
            data,
            source=data.source.split(" ")[0],  # its kind; paths and addresses stand behind it
            split=_scrubbed(data.split),
            warnings=tuple(map(_scrubbed, data.warnings)),
        ),
        arms=tuple(map(_arm, record.arms)),
        versions={name: _scrubbed(version) for name, version in record.versions.items()},
    )


def _arm(arm: ArmRecord) -> ArmRecord:
    return replace(
        arm,
        fixed={name: _value(value) for name, value in arm.fixed.items()},
        trials=tuple(map(_trial, arm.trials)),
    )


def _trial(trial: TrialRecord) -> TrialRecord:
    kind = trial.cause.partition("\n")[0].partition(": ")[0]
    parameters = {name: _value(value) for name, value in trial.parameters.items()}
    return replace(trial, cause=_scrubbed(kind), parameters=parameters)


def _value(value: Scalar) -> Scalar:
    return _scrubbed(value) if isinstance(value, str) else value


def _scrubbed(text: str) -> str:
    return _PLACES.sub(HIDDEN, text)
