"""Suggest: draw from a table's space through Optuna's trial, for every library that has one."""

from typing import Any

from replay.table import Parameter, Table


def suggest(trial: Any, table: Table) -> dict[str, Any]:
    """Draw every parameter that applies."""
    drawn: dict[str, Any] = {}
    for parameter in table.parameters:
        if not parameter.parent or drawn.get(parameter.parent):
            drawn[parameter.name] = _draw(trial, parameter)
    return drawn


def _draw(trial: Any, parameter: Parameter) -> Any:
    if parameter.kind == "categorical":
        return trial.suggest_categorical(parameter.name, parameter.choices)
    if parameter.kind == "int":
        low, high = int(parameter.low), int(parameter.high)
        return trial.suggest_int(parameter.name, low, high, log=parameter.log)
    return trial.suggest_float(parameter.name, parameter.low, parameter.high, log=parameter.log)
