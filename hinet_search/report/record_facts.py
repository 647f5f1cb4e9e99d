"""Record facts: values and words from a study's record that several sections need."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from hinet_search.results.cells import CellName
from hinet_search.results.finalist_values import chosen, headline, pair_of
from hinet_search.results.metrics import metric_named
from hinet_search.results.objectives import Objective, metric_of
from hinet_search.results.records import (
    ArmRecord,
    FinalistRecord,
    ParameterRange,
    Scalar,
    TrialRecord,
)
from hinet_search.results.statistics.simultaneous import LEVEL
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.trade_offs import COSTS
from hinet_search.results.verdict import in_words, title

FEWEST_RANKS = 3  # of a correlation
TINY = 1e-12
EDGE = 0.05  # a value within this share of an end of its range lies at the edge
FEW_POSITIVES = 100


@dataclass(frozen=True)
class BestSoFar:
    """The best value so far: (trial number, value) at each improvement, in order."""

    changes: tuple[tuple[int, float], ...]
    last_trial: int

    @property
    def best_trial(self) -> int:
        """Number of the trial with the best value."""
        return self.changes[-1][0]

    @property
    def best(self) -> float:
        """The best value of all trials."""
        return self.changes[-1][1]


@dataclass(frozen=True)
class RangePosition:
    """The position of a value in its range, 0 to 1, and the end it touches: low, high or ""."""

    share: float
    edge: str


@dataclass(frozen=True)
class AttentionMeans:
    """Attention weights, a row per attending scenario; `deviation` is None with one seed."""

    mean: list[list[float]]
    deviation: list[list[float]] | None


def objective_in_words(record: StudyRecord) -> str:
    """Return the objective for running text: `mean AUC`, `log loss`, `AUC in Home feed · click`."""
    return metric_in_words(record.objective)


def headline_in_words(record: StudyRecord) -> str:
    """Return the measure of the verdict for running text."""
    return metric_in_words(headline(record.objective))


def metric_in_words(objective: str) -> str:
    """Return the name of an objective as readers write it."""
    if objective in COSTS:
        return COSTS[objective].words
    name = objective.split("[", maxsplit=1)[0]
    metric = metric_of(objective)
    words = metric_named(metric).words
    if name != metric:  # an average of its own name, such as macro_auc
        words = f"{name.removesuffix(f'_{metric}')} {words}"
    cell = Objective(objective).cell
    return words if cell is None else f"{words} in {cell_in_words(cell)}"


def capitalized(text: str) -> str:
    """Capitalize the first letter and leave the others (`mean AUC` becomes `Mean AUC`)."""
    return text[:1].upper() + text[1:]


def ordered_arms(record: StudyRecord) -> tuple[ArmRecord, ...]:
    """Return the focus arm first, then its rival, then the others in the study's order."""
    pair = [arm for arm in pair_of(record) if arm is not None]
    names = [arm.name for arm in pair]
    return (*pair, *(arm for arm in record.arms if arm.name not in names))


def finalists(record: StudyRecord) -> tuple[tuple[ArmRecord, FinalistRecord], ...]:
    """Return every arm that has a chosen finalist, with that finalist."""
    pairs = [(arm, chosen(arm)) for arm in ordered_arms(record)]
    return tuple((arm, finalist) for arm, finalist in pairs if finalist is not None)


def has_several_seeds(record: StudyRecord) -> bool:
    """Whether some chosen finalist was trained with more than one seed."""
    return any(len(finalist.runs) > 1 for _, finalist in finalists(record))


def focus_of(record: StudyRecord) -> ArmRecord | None:
    """Return the arm the report is about; without finalists the first HiNet, or the first arm."""
    focus = pair_of(record)[0]
    if focus is not None or not record.arms:
        return focus
    return next((arm for arm in record.arms if arm.model == "hinet"), record.arms[0])


def has_flops(arm: ArmRecord) -> bool:
    """Whether the arm's chosen finalist is a torch model, with counted FLOPs and parameters."""
    finalist = chosen(arm)
    return finalist is not None and finalist.runs[0].cost.flops_per_row > 0


def ranked(record: StudyRecord, trials: Iterable[TrialRecord]) -> list[TrialRecord]:
    """Return complete trials with a value, best first, and of equal ones the first."""
    valued = [trial for trial in trials if trial.state == "complete" and trial.value is not None]
    return sorted(valued, key=lambda trial: (-record.sign * (trial.value or 0.0), trial.number))


def best_so_far(record: StudyRecord, arm: ArmRecord) -> BestSoFar | None:
    """Return the improvements of the best value over complete trials; None without such trials."""
    changes: list[tuple[int, float]] = []
    for trial in arm.trials:
        if trial.state != "complete" or trial.value is None:
            continue
        if not changes or record.sign * trial.value > record.sign * changes[-1][1]:
            changes.append((trial.number, trial.value))
    if not changes:
        return None
    return BestSoFar(tuple(changes), last_trial=max(trial.number for trial in arm.trials))


def states(arm: ArmRecord) -> Counter[str]:
    """Count trials by state; `outside` are duplicates and oversized draws, outside the budget."""
    return Counter(trial.state if trial.counts else "outside" for trial in arm.trials)


def best_parameters(record: StudyRecord, arm: ArmRecord) -> dict[str, Scalar]:
    """Return the parameters of the chosen finalist, else of the best trial, else nothing."""
    finalist = chosen(arm)
    if finalist is not None:
        return dict(finalist.parameters)
    trials = ranked(record, arm.trials)
    return dict(trials[0].parameters) if trials else {}


def range_position(searched: ParameterRange, value: Scalar) -> RangePosition | None:
    """Return a numeric value's position in its range; None for choices and unset parameters."""
    low = searched.low
    high = searched.high
    if isinstance(value, bool | str) or value is None:
        return None
    if low is None or high is None or high <= low:
        return None
    share = (float(value) - low) / (high - low)
    if searched.log:
        share = log(float(value) / low) / log(high / low)
    share = min(1.0, max(0.0, share))
    return RangePosition(share, _edge(searched, value, share))


def _edge(searched: ParameterRange, value: Scalar, share: float) -> str:
    """Name the end of a range that a value touches, if it is not the default and can be wider."""
    margin = 0.0 if searched.kind == "int" else EDGE
    end = ""
    if share <= margin:
        end = "low"
    elif share >= 1 - margin:
        end = "high"
    if value == searched.default or end not in searched.ends:
        return ""
    limit = searched.low if end == "low" else searched.high
    return "" if searched.wider(end) == limit else end


def at_the_edge(record: StudyRecord, arm: ArmRecord) -> list[tuple[ParameterRange, Scalar, str]]:
    """Return (parameter, best value, end) for best values at an end that trials point to.

    Of settings without worth the best value is at an end in most arms. So the trials' values must
    be shown to improve towards that end, corrected for the numeric settings of all arms.
    """
    best = best_parameters(record, arm)
    num_settings = sum(searched.low is not None for each in record.arms for searched in each.ranges)
    edges = []
    for searched in arm.ranges:
        value = best.get(searched.name)
        where = range_position(searched, value)
        if where is None or not where.edge:
            continue
        towards = 1.0 if where.edge == "high" else -1.0
        places = []
        values = []
        for trial in ranked(record, arm.trials):
            place = range_position(searched, trial.parameters.get(searched.name))
            if place is not None:
                places.append(towards * place.share)
                values.append(record.sign * (trial.value or 0.0))
        if _chance_of_rise(places, values) < LEVEL / num_settings:
            edges.append((searched, value, where.edge))
    return edges


def _chance_of_rise(places: Sequence[float], values: Sequence[float]) -> float:
    """Return the two-sided p-value of Spearman's correlation, 1 where values do not rise."""
    ranks = _ranks(places), _ranks(values)
    if min(len(set(each.tolist())) for each in ranks) < FEWEST_RANKS:
        return 1.0
    correlation = float(np.corrcoef(*ranks)[0, 1])
    degrees = len(places) - 2
    unexplained = max(1 - correlation**2, TINY)
    return float(2 * stdtr(degrees, -max(0.0, correlation) * (degrees / unexplained) ** 0.5))


def _ranks(values: Sequence[float]) -> NDArray[np.float64]:
    """Return ranks; equal values have their mean rank."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count - 1) / 2)[place])


def first_few(names: list[str], most: int) -> list[str]:
    """Return the first names, and how many more there are."""
    left = len(names) - most
    return [*names[:most], f"{left} more"] if left > 0 else names


def cell_in_words(cell: CellName) -> str:
    """Name a cell: `Home feed · click`."""
    return " · ".join(cell)


def absent_in_words(absent: Iterable[CellName]) -> str:
    """Say which tasks some scenarios lack: `Push does not have task order.`, else nothing."""
    lacking: dict[str, list[str]] = {}
    for scenario, task in absent:
        lacking.setdefault(scenario, []).append(task)
    sentences = []
    for scenario, tasks in lacking.items():
        noun = "task" if len(tasks) == 1 else "tasks"
        sentences.append(f"{scenario} does not have {noun} {in_words(tasks)}.")
    return " ".join(sentences)


def gate_in_words(where: str) -> str:
    """Name a gate: `Home feed/click` is `Home feed · click`; only scenarios may contain a slash."""
    scenario, _, gate = where.rpartition("/")
    return cell_in_words((scenario, gate)) if scenario else gate


def arm_titles(arms: Iterable[ArmRecord]) -> list[str]:
    """Return the arms' names as readers write them."""
    return [title(arm.name) for arm in arms]


def attention_means(finalist: FinalistRecord) -> AttentionMeans | None:
    """Return SAN's weights by seed (S) and pair of scenarios (M) as means; None without SAN."""
    tables = [run.insight.attention for run in finalist.runs if run.insight.attention is not None]
    if not tables:
        return None
    table_SMM = np.array(tables, dtype=float)
    deviation = table_SMM.std(axis=0, ddof=1).tolist() if len(tables) > 1 else None
    return AttentionMeans(table_SMM.mean(axis=0).tolist(), deviation)


def as_steps(changes: Sequence[tuple[float, float]], end: float) -> list[tuple[float, float]]:
    """Return the corner points of a staircase through the changes, up to `end`."""
    corners = list(changes[:1])
    for (_, before), (x, after) in pairwise(changes):
        corners += [(x, before), (x, after)]
    return [*corners, (end, changes[-1][1])]
