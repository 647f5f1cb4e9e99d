"""Codes: values in which every choice is its index, for libraries that want numbers."""

from collections.abc import Mapping
from typing import Any

from replay.table import Parameter, Table, Values

Codes = Mapping[str, float]


def to_codes(table: Table, values: Values) -> dict[str, float]:
    """Return the codes of the parameters that have a value."""
    return {
        parameter.name: _to_code(parameter, values[parameter.name])
        for parameter in table.parameters
        if parameter.name in values
    }


def to_values(table: Table, codes: Codes) -> Values:
    """Return the values of the codes; a parameter whose parent is false has none."""
    values: dict[str, Any] = {}
    for parameter in table.parameters:
        if not parameter.parent or values.get(parameter.parent):
            code = codes[parameter.name]
            is_choice = parameter.kind == "categorical"
            values[parameter.name] = parameter.choices[int(code)] if is_choice else code
    return values


def _to_code(parameter: Parameter, value: Any) -> float:
    if parameter.kind != "categorical":
        return float(value) if parameter.kind == "float" else int(value)
    return [each == value and type(each) is type(value) for each in parameter.choices].index(True)


def middle(parameter: Parameter) -> float:
    """Return a code for a parameter that does not apply."""
    if parameter.kind == "categorical":
        return 0
    low, high = parameter.low, parameter.high
    at = (low * high) ** 0.5 if parameter.log else (low + high) / 2
    return round(at) if parameter.kind == "int" else at


def evaluation(table: Table, epochs: float) -> int:
    """Return the number of the evaluation after so many epochs."""
    return round(epochs * table.evaluations_per_epoch)
