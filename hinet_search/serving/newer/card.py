"""Card: a model that was fit on newer rows, for its users, as Markdown."""

from collections.abc import Iterator, Mapping, Sequence

from hinet_search.report.drawing.numbers import DASH, gain, interval, metric
from hinet_search.report.facts.record import absent_in_words
from hinet_search.report.text.untrusted import plain, table
from hinet_search.serving.inputs import Inputs
from hinet_search.serving.lineage import NewerFit
from hinet_search.serving.model_file import ModelFile
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
    "Ids are never removed: those of users and items that are gone keep their embeddings.",
)
OF_AMOUNTS = (
    "In cells of amounts, positives are rows with an amount above 0, AUC counts a pair of rows by "
    "the difference of their amounts, log loss is half the Poisson deviance, and ECE is an error "
    "of means; both are in units of the mean amount of the study's training."
)


def newer_card(
    file: ModelFile,
    comparison: Comparison,
    new_ids: Mapping[str, int],
    num_unlabelled: int,
    notes: Sequence[str],
) -> str:
    """The card of a model file whose latest fit on newer rows gave the comparison."""
    return "\n".join(_lines(file, comparison, new_ids, num_unlabelled, notes)) + "\n"


def _lines(
    file: ModelFile,
    comparison: Comparison,
    new_ids: Mapping[str, int],
    num_unlabelled: int,
    notes: Sequence[str],
) -> Iterator[str]:
    inputs = file.inputs
    fit = file.newer[-1]
    scenarios = ", ".join(inputs.scenario.names)
    yield f"# {plain(file.study)} / {plain(file.name)}, fit again on newer rows"
    yield ""
    yield plain(f"It predicts {_tasks_in_words(inputs)} for a row of {scenarios}.")
    if absent := absent_in_words(inputs.absent_cells):
        noun = "prediction" if inputs.amount_units else "probability"
        yield plain(f"{absent} Rows without a task get no {noun} of it.")
    yield plain(f"On {comparison.num_rows:,} held-out rows: {verdict_of(comparison)}.")
    yield ""
    facts = {
        "Fit on": f"{_rows_in_words(fit)}, hash {fit.rows}",
        "Left out": f"{num_unlabelled:,} rows without a label" if num_unlabelled else "no row",
        "From": f"the folder whose manifest.json has the SHA-256 {fit.parent}",
        "Members": _members_in_words(file, fit),
        "Learning rate": "of the study" if fit.learning_rate is None else f"{fit.learning_rate:g}",
        "New ids": _new_ids_in_words(new_ids),
        "Study": f"{file.study}, data {file.data}",
        "Software": ", ".join(f"{name} {version}" for name, version in file.versions.items()),
    }
    yield from (f"- **{name}**: {plain(text)}" for name, text in facts.items())
    heading = f"On the {comparison.num_rows:,} held-out rows that judge"
    yield from table(heading, HEAD, map(_cell_row, comparison.cells))
    if of_amounts := [cell for cell in comparison.cells if cell.rmse is not None]:
        heading = "Errors of amounts on these rows, in the unit of each column"
        yield from table(heading, AMOUNTS_HEAD, map(_amounts_row, of_amounts))
    if len(file.newer) > 1:
        name = comparison.objective.name
        yield from table(f"All fits on newer rows: {name}", FITS_HEAD, map(_fit_row, file.newer))
    yield from ("", "### Limits", "", *(f"- {plain(note)}" for note in _limits(inputs, notes)))


def _tasks_in_words(inputs: Inputs) -> str:
    """Return `the probabilities of click, buy and the expected amounts of watch`."""
    binary = [task for task in inputs.tasks if task not in inputs.amount_units]
    parts = []
    if binary:
        parts.append(f"the probabilities of {', '.join(binary)}")
    if inputs.amount_units:
        parts.append(f"the expected amounts of {', '.join(inputs.amount_units)}")
    return " and ".join(parts)


def _limits(inputs: Inputs, notes: Sequence[str]) -> Iterator[str]:
    """Yield the limits of the model, then further notes."""
    yield from LIMITS
    if inputs.amount_units:
        yield f"{OF_AMOUNTS} Units are as in that training: {_units_in_words(inputs)}."
    yield from notes


def _units_in_words(inputs: Inputs) -> str:
    return ", ".join(f"{task} {unit:g}" for task, unit in inputs.amount_units.items())


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


def cell_name(cell: CellChange) -> str:
    """`Home · click`."""
    return f"{cell.scenario} · {cell.task}"


def _cell_row(cell: CellChange) -> tuple[str, ...]:
    counts = f"{cell.rows:,}", f"{cell.positives:,}"
    auc = metric(cell.auc_before), metric(cell.auc)
    logloss = metric(cell.logloss_before), metric(cell.logloss)
    return cell_name(cell), *counts, *auc, *logloss, metric(cell.ece_before), metric(cell.ece)


def _amounts_row(cell: CellChange) -> tuple[str, ...]:
    errors = cell.rmse_before, cell.rmse, cell.mae_before, cell.mae
    return cell_name(cell), *map(metric, errors)


def _fit_row(fit: NewerFit) -> tuple[str, ...]:
    counts = f"{fit.num_rows:,}", f"{fit.num_held_out:,}"
    values = metric(fit.objective_before), metric(fit.objective_after)
    span = DASH if fit.gain_low is None else interval(fit.gain_low, fit.gain_high)
    return fit.parent[:12], *counts, *values, span


def _rows_in_words(fit: NewerFit) -> str:
    learned = fit.num_rows - fit.num_held_out
    time = f", from {fit.first} to {fit.last}" if fit.first is not None else ""
    which = "the newest" if fit.first is not None else "a random part"
    return (
        f"{learned:,} of {fit.num_rows:,} labelled rows{time}; {which} "
        f"({fit.num_held_out:,}) held out"
    )


def _members_in_words(file: ModelFile, fit: NewerFit) -> str:
    pairs = zip(file.members, fit.passes, strict=True)
    return ", ".join(
        f"{member.run.arm} (trial {member.run.trial_number}, seed {member.run.seed}): "
        + (f"{passes:.2f} passes" if passes else "as it was")
        for member, passes in pairs
    )


def _new_ids_in_words(new_ids: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in new_ids.items()) or "none"
