"""Night: monitor, refit, judge, promote or keep; what happened, and what gives cause for alarm.

The rows of a night are new to the model that is served and to the one that was shipped, so both
are scored on all of them before anything is learned: this tells whether nights have made it worse.
Alarms are corrected for a fortnight: of unchanged rows and a right model any is false in at most
5 % of fortnights, by Bonferroni's correction over nights and over both kinds of alarm.
Shape legend: R labelled rows, T tasks.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch

from hinet_search.common.errors import DataError, hide_passwords
from hinet_search.data.numbers import rows_in_words
from hinet_search.report.drawing.numbers import gain, interval
from hinet_search.results.objectives import objective_named
from hinet_search.results.statistics.simultaneous import LEVEL
from hinet_search.serving.drift_card import drift_lines
from hinet_search.serving.model_folder import ExportedModel, calibrated_logits, open_folder
from hinet_search.serving.monitor import drift_of
from hinet_search.serving.newer.comparison import Comparison, compare, measure
from hinet_search.serving.newer.fit_again import (
    FitOptions,
    NewerModel,
    fit_rows,
    has_learned,
    refuse_unfit,
)
from hinet_search.serving.newer.rows import NewerRows, read_newer_rows
from hinet_search.serving.nightly.models_folder import ModelsFolder
from hinet_search.serving.nightly.outcome import Gain, Night
from hinet_search.serving.nightly.registry import register
from hinet_search.serving.predict import memory_explained, scanned
from hinet_search.serving.rolling import roll
from hinet_search.serving.row_checks import other_scenarios

NIGHTS = 14  # in which any alarm is false in at most 5 %
FAMILIES = 2  # of alarms: what rows hold and are labelled; what nights have made of the model
KEPT_MODELS = 7


def run_night(
    models: ModelsFolder,
    rows: str,
    options: FitOptions,
    device: torch.device,
    say: Callable[[str], None],
    registry: str | None = None,
) -> Night:
    """Take the rows of a night into account, and note what happened.

    The folder must be held. `registry` is the model of MLflow's registry that shows the folder.
    Errors: those of `fit_again` and of `drift_of`; the model that is served stays, and the line of
    the night says why.
    """
    began, started = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
    named = hide_passwords(rows)  # a URL may have some
    try:
        night = _run(models, rows, options, device, say)
    except DataError as error:
        line = {"began": began, "rows": named, "outcome": "refused", "served": models.current.name}
        models.note({**line, "alarms": list(map(hide_passwords, error.problems))})
        raise
    seconds = round(time.monotonic() - started, 1)
    night = replace(night, began=began, rows=named, seconds=seconds)
    try:
        if registry is not None:
            say(f"registering {night.served} as {registry}")
            nights = [*models.nights(), night]
            night = replace(night, warnings=register(registry, models, nights))
    finally:  # also if the night is stopped meanwhile
        models.note(asdict(night))
    models.keep(KEPT_MODELS)
    return night


def _run(
    models: ModelsFolder,
    rows: str,
    options: FitOptions,
    device: torch.device,
    say: Callable[[str], None],
) -> Night:
    current, to = open_folder(models.current, device), models.next_model()
    refuse_unfit(current, to, options)
    with memory_explained(current, rows):
        say(f"reading {rows}")
        newer = read_newer_rows(
            current, rows, options.held_out, to.absolute().parent, only_known_scenarios=True
        )
        if has_learned(current, newer):
            return Night("", rows, len(newer.frame), "learned before", models.current.name)
        scenario = current.file.inputs.scenario
        others = {name: n for name, n, _ in other_scenarios(scenario, scanned(current, rows))}
        alarms = [*_alarms_of_scenarios(others, models.nights()), *_alarms_of_rows(current, rows)]
        over_shipped = None
        if models.current != models.shipped:
            compared = _over_shipped(open_folder(models.shipped, device), current, newer)
            over_shipped = Gain(compared.gain.mean, compared.gain.low, compared.gain.high)
            alarms += _alarms_of_nights(compared)
        made = fit_rows(current, newer, to, options, say)
    if made.is_written:
        models.promote(to)
    night = _night(made, models.current, tuple(alarms), over_shipped, rows)
    return replace(night, other_scenarios=others)


def _night(
    made: NewerModel,
    served: Path,
    alarms: tuple[str, ...],
    over_shipped: Gain | None,
    rows: str,
) -> Night:
    return Night(
        began="",
        rows=rows,
        num_rows=made.rows,
        outcome="promoted" if made.is_written else "kept",
        served=served.name,
        verdict=made.verdict,
        made=made.folder.name if made.is_written else "",
        by_refit=Gain(made.gain, made.gain_low, made.gain_high),
        over_shipped=over_shipped,
        new_ids=made.new_ids,
        forgotten_ids=made.forgotten_ids,
        alarms=alarms,
    )


def _alarms_of_scenarios(others: Mapping[str, int], before: Sequence[Night]) -> Iterator[str]:
    """What no earlier night had; a scenario that a study leaves out is told once."""
    known = {name for night in before for name in night.other_scenarios}
    for name, num_rows in others.items():
        if name not in known:
            yield f"scenario {name}: the model does not have it; {rows_in_words(num_rows)} left out"


def _alarms_of_rows(current: ExportedModel, rows: str) -> Iterator[str]:
    """What is otherwise than in the rows that the model learned from, and where it is wrong."""
    drift = drift_of(current, rows, NIGHTS * FAMILIES, only_known_scenarios=True)
    growing = current.file.inputs.growing
    steady = tuple(each for each in drift.inputs if each.name not in growing)
    for line in drift_lines(replace(drift, inputs=steady)):
        if line.is_notable and not line.may_be_chance:
            yield f"{line.about}: {line.text}"


def _alarms_of_nights(over_shipped: Comparison) -> Iterator[str]:
    """Whether the model that is served is shown to be worse than the shipped one."""
    found = over_shipped.gain
    if found.direction == "worse":
        ends = interval(found.low, found.high)
        name = over_shipped.objective.name
        yield (
            f"below the shipped model: {name} {gain(found.mean)} ({ends}) on all "
            f"{over_shipped.num_rows:,} rows, which neither has learned from"
        )


def _over_shipped(shipped: ExportedModel, current: ExportedModel, newer: NewerRows) -> Comparison:
    """Compare what is served with what was shipped, on rows that are new to both.

    Both see the log as of each row, as production keeps it up for any model.
    """
    encoder = current.encoder
    split_R = np.zeros(len(newer.frame), dtype=np.uint8)
    is_labelled_R = np.ones(len(newer.frame), dtype=np.bool_)
    rolled = roll(encoder, encoder.rows(newer.frame, newer.labels_RT, split_R), is_labelled_R)
    log = replace(rolled.inputs, statistics=None)
    objective = objective_named(current.file.rows.objective)
    cells = current.file.inputs.cells
    columns = replace(
        encoder.columns(newer.frame, log), labels_RT=newer.labels_RT, user_R=newer.user_R
    )
    before, after = (
        measure(
            objective,
            calibrated_logits(model, model.encoder.columns(newer.frame, log)),
            columns,
            cells,
            newer.path,
        )
        for model in (shipped, current)
    )
    return compare(objective, columns, cells, before, after, LEVEL / (NIGHTS * FAMILIES))
