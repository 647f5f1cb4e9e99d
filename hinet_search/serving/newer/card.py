"""Card: a model that was fit on newer rows, for its users, as Markdown."""

from collections.abc import Iterator, Mapping, Sequence

from hinet_search.report.drawing.numbers import DASH, gain, interval, metric
from hinet_search.report.facts.record import absent_in_words
from hinet_search.report.text.untrusted import plain, table
from hinet_search.results.calibration_records import Calibration
from hinet_search.serving.inputs import Inputs
from hinet_search.serving.model_file import ModelFile, NewerFit
from hinet_search.serving.newer.comparison import CellChange, Comparison

HEAD = (
    "Cell",
    "Rows",
    "Positives",
    "AUC before",
    "AUC",
    "Log loss before",
    "Log loss",
    "ECE before",
    "ECE",
)
AMOUNTS_HEAD = ("Cell", "RMSE before", "RMSE", "MAE before", "MAE")
FITS_HEAD = ("From", "Rows", "Held out", "Before", "After", "95 % interval of the gain")
LIMITS = (
    "Rows of scenarios that the model does not know are refused.",
    "No difference shown is not a proof that there is none: the interval says what may be.",
    "Metrics on the test rows of the study are those of the model that the study trained.",
    "Numbers are standardised as in that training: `monitor` tells when they no longer fit.",
    "Users and items that are gone keep their ids, unless `--forget-after` says how long.",
)
OF_AMOUNTS = (
    "In cells of amounts, positives are rows with an amount above 0, AUC counts a pair of rows by "
    "the difference of their amounts, log loss is half the Poisson deviance, and ECE is an error "
    "of means; both are in units of the mean amount of the study's training."
)


def newer_card(
    file: ModelFile,
    comparison: Comparison,
    ids: Mapping[str, Mapping[str, int]],
    num_unlabelled: int,
    notes: Sequence[str],
) -> str:
    """The card of a model file whose latest fit on newer rows gave the comparison.

    `ids` are numbers of new and of forgotten ids, by column or list.
    """
    inputs = file.inputs
    facts = _facts(file, ids, num_unlabelled)
    lines = [
        f"# {plain(file.study)} / {plain(file.name)}, fit again on newer rows",
        "",
        *map(plain, _summary(inputs, comparison)),
        "",
        *(f"- **{name}**: {plain(text)}" for name, text in facts.items()),
        *_tables(file, comparison),
        *("", "### Limits", ""),
    ]
    limits = [*LIMITS]
    if inputs.amount_units:
        units = ", ".join(f"{task} {unit:g}" for task, unit in inputs.amount_units.items())
        limits.append(f"{OF_AMOUNTS} Units are as in that training: {units}.")
    lines += [f"- {plain(note)}" for note in (*limits, *notes)]
    return "\n".join(lines) + "\n"


def _summary(inputs: Inputs, comparison: Comparison) -> Iterator[str]:
    """Yield what the model predicts of which rows, and the verdict."""
    binary = [task for task in inputs.tasks if task not in inputs.amount_units]
    parts = []
    if binary:
        parts.append(f"the probabilities of {', '.join(binary)}")
    if inputs.amount_units:
        parts.append(f"the expected amounts of {', '.join(inputs.amount_units)}")
    scenarios = ", ".join(inputs.scenario.names)
    yield f"It predicts {' and '.join(parts)} for a row of {scenarios}."
    if absent := absent_in_words(inputs.absent_cells):
        yield f"{absent} Rows without a task get no {inputs.prediction} of it."
    yield f"On {comparison.num_rows:,} held-out rows: {verdict_of(comparison)}."


def _facts(
    file: ModelFile, ids: Mapping[str, Mapping[str, int]], num_unlabelled: int
) -> dict[str, str]:
    fit = file.newer[-1]
    rows = f"{fit.num_rows - fit.num_held_out:,} of {fit.num_rows:,} labelled rows"
    if fit.first is None:
        rows = f"{rows}; a random part"
    else:
        rows = f"{rows}, from {fit.first} to {fit.last}; the newest"
    members = []
    for member, passes in zip(file.members, fit.passes, strict=True):
        fitted = f"{passes:.2f} passes" if passes else "as it was"
        run = member.run
        members.append(f"{run.arm} (trial {run.trial_number}, seed {run.seed}): {fitted}")
    rate = "of the study" if fit.learning_rate is None else f"{fit.learning_rate:g}"
    return {
        "Fit on": f"{rows} ({fit.num_held_out:,}) held out, hash {fit.rows}",
        "Left out": f"{num_unlabelled:,} rows without a label" if num_unlabelled else "no row",
        "From": f"the folder whose manifest.json has the SHA-256 {fit.parent}",
        "Members": ", ".join(members),
        "Learning rate": rate,
        **{title: counts_in_words(counts) for title, counts in ids.items()},
        "Study": f"{file.study}, data {file.data}",
        "Software": ", ".join(f"{name} {version}" for name, version in file.versions.items()),
    }


def counts_in_words(counts: Mapping[str, int]) -> str:
    """`user 12, item 3`, or none."""
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"


def _tables(file: ModelFile, comparison: Comparison) -> Iterator[str]:
    heading = f"On the {comparison.num_rows:,} held-out rows that judge"
    yield from table(heading, HEAD, map(_cell_row, comparison.cells))
    if of_amounts := [cell for cell in comparison.cells if cell.rmse is not None]:
        heading = "Errors of amounts on these rows, in the unit of each column"
        yield from table(heading, AMOUNTS_HEAD, map(_amounts_row, of_amounts))
    if len(file.newer) > 1:
        name = comparison.objective.name
        yield from table(f"All fits on newer rows: {name}", FITS_HEAD, map(_fit_row, file.newer))


def verdict_of(comparison: Comparison) -> str:
    """`better than before: mean_auc from .7012 to .7101 (gain +.0089, 95 % interval ...)`.

    It is called better or worse only if the interval of its gain excludes 0.
    """
    words = {
        "better": "better than before",
        "worse": "worse than before",
        "unclear": "no difference shown",
    }
    difference = comparison.gain
    units = comparison.units
    span = f"95 % interval {interval(difference.low, difference.high)} over {units}"
    if difference.low is None:
        span = f"no interval over {units}, too few"
    values = f"from {metric(comparison.before)} to {metric(comparison.after)}"
    return (
        f"{words[difference.direction]}: {comparison.objective.name} {values} "
        f"(gain {gain(difference.mean)}, {span})"
    )


def _name(cell: CellChange) -> str:
    return f"{cell.scenario} · {cell.task}"


def _cell_row(cell: CellChange) -> tuple[str, ...]:
    return (
        _name(cell),
        f"{cell.rows:,}",
        f"{cell.positives:,}",
        metric(cell.auc_before),
        metric(cell.auc),
        metric(cell.logloss_before),
        metric(cell.logloss),
        metric(cell.ece_before),
        metric(cell.ece),
    )


def _amounts_row(cell: CellChange) -> tuple[str, ...]:
    errors = (cell.rmse_before, cell.rmse, cell.mae_before, cell.mae)
    return (_name(cell), *map(metric, errors))


def _fit_row(fit: NewerFit) -> tuple[str, ...]:
    return (
        fit.parent[:12],
        f"{fit.num_rows:,}",
        f"{fit.num_held_out:,}",
        metric(fit.objective_before),
        metric(fit.objective_after),
        DASH if fit.gain_low is None else interval(fit.gain_low, fit.gain_high),
    )


def calibration_note(file: ModelFile, calibration: Calibration | None) -> str:
    """Say which cells a fit calibrated, and which kept their calibrator."""
    predicted = file.inputs.predicted.capitalize()
    if calibration is None:
        return f"{predicted} are as the models give them: they are not calibrated."
    cells = file.inputs.cells
    changed = [cell for cell in calibration.cells if cell.calibrator.kind != "none"]
    num_kept = sum(bool(cell.reason) for cell in changed)
    kept = ""
    if num_kept:
        kept = f", and as before in {num_kept}, where no other was shown to be better"
    return (
        f"{predicted} are calibrated on the held-out rows that choose in {len(changed) - num_kept} "
        f"of {len(cells)} cells{kept}; in the others no gain was shown, or they have too few of "
        "these rows."
    )
