"""Facts: the model that answers as JSON, and what a request for it must hold."""

from collections.abc import Mapping
from typing import Any

from hinet_search.data.raw_values import listed
from hinet_search.serving.requests.served_model import ServedModel


def model_facts(served: ServedModel) -> dict[str, Any]:
    """Return what config.yaml and card.md say of the model, and when they were read.

    `amount_units` are the tasks of amounts, with the mean amount of training, if there are any, and
    `counted_to` is the end of what label statistics count, or the last row of the log.
    """
    file = served.exported.file
    last = served.counted_to
    members = [
        {
            "arm": member.run.arm,
            "trial": member.run.trial_number,
            "seed": member.run.seed,
            "weight": member.weight,
        }
        for member in file.members
    ]
    amounts = {"amount_units": file.inputs.amount_units} if file.inputs.amount_units else {}
    return {
        "study": file.study,
        "name": file.name,
        "version": served.version,
        "loaded": served.loaded.isoformat(timespec="seconds"),
        "tasks": served.tasks,
        "scenarios": file.inputs.scenario.names,
        "absent_cells": [list(names) for names in file.inputs.absent_cells],
        **amounts,
        **({"counted_to": last} if last else {}),
        "columns": columns_in_words(served),
        "members": members,
        "average_of": file.scale,
        "calibrated_cells": [[cell.scenario, cell.task] for cell in file.calibration],
        "data": file.data,
        "versions": file.versions,
        "card": served.card,
    }


def columns_in_words(served: ServedModel) -> Mapping[str, str]:
    """Return what each column of a row must hold."""
    scenario = served.exported.file.inputs.scenario
    of_scenario = f"a scenario of the model: {listed([repr(value) for value in scenario.values])}"
    return {
        reader.name: of_scenario if reader.name == scenario.column else reader.wanted
        for reader in served.reader.readers
    }


def example_row(served: ServedModel) -> dict[str, Any]:
    """Return a row of the first scenario with nothing else known."""
    inputs = served.exported.file.inputs
    row: dict[str, Any] = dict.fromkeys(inputs.columns)
    row[inputs.scenario.column] = next(iter(inputs.scenario.values))
    return row
