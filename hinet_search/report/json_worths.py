"""JSON worths: what inputs and choices are worth, as the JSON document of a study has it."""

from hinet_search.report.json_values import Json, all_plain, plain
from hinet_search.results.choice_worth import MeasuredChoices, measured_choices
from hinet_search.results.input_worth import MeasuredInputs, measured_inputs
from hinet_search.results.statistics.paired_difference import Difference
from hinet_search.results.study_record import StudyRecord


def worths(record: StudyRecord) -> dict[str, Json]:
    """What inputs and choices are worth, where that was measured."""
    measured: dict[str, Json] = {}
    inputs = measured_inputs(record)
    if inputs is not None:
        measured["inputs"] = _inputs(inputs)
    choices = measured_choices(record)
    if choices is not None:
        measured["choices"] = _choices(choices)
    return measured


def _inputs(measured: MeasuredInputs) -> Json:
    """Return what groups of inputs are worth."""
    groups: list[Json] = []
    for group, worth in measured.choice.worths.items():
        interval = all_plain([worth.low, worth.high])
        dropped = group in measured.dropped
        groups.append(
            {"name": group, "worth": plain(worth.mean), "interval": interval, "dropped": dropped}
        )
    return {
        "arm": measured.arm,
        "seeds": measured.num_seeds,
        "groups": groups,
        "followed_by": [arm.name for arm in measured.followers],
    }


def _choices(measured: MeasuredChoices) -> Json:
    """Return what the choices of the search are worth in the best finalist."""
    choices: list[Json] = []
    for choice in measured.choices:
        settings: dict[str, Json] = {
            name: {"default": default, "finalist": value}
            for name, (default, value) in choice.settings.items()
        }
        choices.append({"settings": settings, "gain": _gain(choice.gain)})
    return {
        "arm": measured.arm.name,
        "trial": measured.finalist.trial_number,
        "seeds": measured.num_seeds,
        "choices": choices,
        "whole": _gain(measured.whole),
        "not_measured": list(measured.left),
    }


def _gain(gain: Difference | None) -> Json:
    if gain is None:
        return None
    return {"mean": plain(gain.mean), "interval": all_plain([gain.low, gain.high])}
