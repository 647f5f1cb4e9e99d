"""Reading a study: what several sections ask of a record. Numbers only, nothing is drawn here."""

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log

from hinet_search.compare import Split, chosen, headline, pair_of, title
from hinet_search.objective import Objective
from hinet_search.records import ArmRecord, FinalistRecord, ParameterRange, Scalar, StudyRecord, TrialRecord

EDGE = 0.05  # a value within this share of an end of its range lies at the edge
FEW_POSITIVES = 100
PLACES = ("--output", "--storage")  # options of every command that name where a study is stored
SAME_STUDY = ("--size", "--set", "--plugin")  # options of a launch that make another study of its file
_METRIC_WORDS = {"auc": "AUC", "gauc": "grouped AUC", "logloss": "log loss", "ece": "calibration error"}


@dataclass(frozen=True)
class Steps:
    """Best value so far: (trial number, value) at each change, in order."""

    changes: tuple[tuple[int, float], ...]
    last_trial: int

    @property
    def found_at(self) -> int:
        """The trial that holds the best value."""
        return self.changes[-1][0]

    @property
    def best(self) -> float:
        """The best value of all."""
        return self.changes[-1][1]


@dataclass(frozen=True)
class Place:
    """Where the best value lies in its range, 0 to 1, and which end it touches (`low`, `high` or an empty string)."""

    share: float
    edge: str


def objective_in_words(record: StudyRecord) -> str:
    """The objective as it stands beside a number: `mean AUC`, `log loss`, `AUC in Home feed · click`."""
    return metric_in_words(record.objective)


def headline_in_words(record: StudyRecord) -> str:
    """The measure of the verdict as it stands beside a number."""
    return metric_in_words(headline(record.objective))


def metric_in_words(objective: str) -> str:
    """An objective's name as readers write it."""
    cell = Objective(objective).cell
    name = objective if cell is None else objective.split("[", maxsplit=1)[0]
    written = " ".join(_METRIC_WORDS.get(word, word) for word in name.split("_"))
    return written if cell is None else f"{written} in {cell_in_words(*cell)}"


def report_command(record: StudyRecord) -> str:
    """The command that writes this page again: from the same database and into the same folder as the launch."""
    launched = record.command if record.command.startswith("hinet-search ") else ""  # or a call in Python
    return shlex.join(["hinet-search", "report", record.name, *_said(shlex.split(launched), PLACES)])


def export_command(record: StudyRecord, arm: ArmRecord) -> str:
    """The command that exports an arm, with the file and the options that make the launch's study."""
    words = shlex.split(record.command) if record.command.startswith("hinet-search launch ") else []
    file = next((word for word in words[2:] if _is_study(word, record.name)), record.name)
    options = _said(words, (*SAME_STUDY, *PLACES))
    return shlex.join(["hinet-search", "export", f"{file}/{arm.name}", "-o", f"{arm.name}-{record.name}", *options])


def _is_study(word: str, name: str) -> bool:
    """Whether a word of a launch is the study of that name, which may have a size behind it."""
    stem = word.rpartition("/")[2].removesuffix(".yaml").removesuffix(".yml")
    return not word.startswith("-") and (name == stem or name.startswith(f"{stem}-"))


def _said(words: Sequence[str], options: Sequence[str]) -> Iterator[str]:
    """Some options among the words of a command, with their values."""
    for word, after in pairwise([*words, ""]):
        if word in options:
            yield from (word, after)
        elif word.startswith(tuple(f"{option}=" for option in options)):
            yield word


def capitalized(text: str) -> str:
    """The first letter large, the others as they are (`mean AUC` is Mean AUC)."""
    return text[:1].upper() + text[1:]


def ordered_arms(record: StudyRecord) -> tuple[ArmRecord, ...]:
    """The focus first, then its rival, then the others as the study names them."""
    first = [arm.name for arm in pair_of(record) if arm is not None]
    return tuple(sorted(record.arms, key=lambda arm: first.index(arm.name) if arm.name in first else len(first)))


def finalists(record: StudyRecord) -> tuple[tuple[ArmRecord, FinalistRecord], ...]:
    """Every arm that has a chosen finalist, with it."""
    return tuple((arm, one) for arm in ordered_arms(record) if (one := chosen(arm)) is not None)


def focus_of(record: StudyRecord) -> ArmRecord | None:
    """The arm the report is about; before finalists exist the first HiNet, or the first arm."""
    focus = pair_of(record)[0]
    if focus is not None or not record.arms:
        return focus
    return next((arm for arm in record.arms if arm.model == "hinet"), record.arms[0])


def last_split(finalist: FinalistRecord) -> Split:
    """Test once it is opened, until then validation."""
    return "test" if any(run.test_cells is not None for run in finalist.runs) else "valid"


def has_flops(arm: ArmRecord) -> bool:
    """Whether the arm's chosen finalist is a torch model: what is none has no FLOPs, and its size is no parameters."""
    finalist = chosen(arm)
    return finalist is not None and finalist.runs[0].cost.flops_per_row > 0


def milliseconds_per_100(finalist: FinalistRecord) -> float | None:
    """Time to score 100 rows, mean over seeds; None where it was not measured for all."""
    found = [run.cost.milliseconds_per_100 for run in finalist.runs]
    known = [time for time in found if time is not None]
    return sum(known) / len(known) if len(known) == len(found) else None


def ranked(record: StudyRecord, arm: ArmRecord) -> list[TrialRecord]:
    """Complete trials with a value, best first."""
    valued = [trial for trial in arm.trials if trial.state == "complete" and trial.value is not None]
    return sorted(valued, key=lambda trial: trial.value or 0.0, reverse=record.maximize)


def best_so_far(record: StudyRecord, arm: ArmRecord) -> Steps | None:
    """The steps of the best value over complete trials; None without one."""
    changes: list[tuple[int, float]] = []
    for trial in arm.trials:
        if trial.state != "complete" or trial.value is None:
            continue
        if not changes or ((trial.value > changes[-1][1]) == record.maximize and trial.value != changes[-1][1]):
            changes.append((trial.number, trial.value))
    return Steps(tuple(changes), max(trial.number for trial in arm.trials)) if changes else None


def states(arm: ArmRecord) -> Counter[str]:
    """Trials by state; `outside` are duplicates and oversized draws, which spend no budget."""
    return Counter(trial.state if trial.counts else "outside" for trial in arm.trials)


def best_parameters(record: StudyRecord, arm: ArmRecord) -> dict[str, Scalar]:
    """Parameters of the chosen finalist, or of the best trial before there is one; empty without trials."""
    finalist = chosen(arm)
    if finalist is not None:
        return dict(finalist.parameters)
    trials = ranked(record, arm)
    return dict(trials[0].parameters) if trials else {}


def place(searched: ParameterRange, value: Scalar) -> Place | None:
    """Where a numeric value lies in its range; None for choices and for parameters that do not apply."""
    if isinstance(value, bool | str) or value is None or searched.low is None or searched.high is None:
        return None
    low, high, here = searched.low, searched.high, float(value)
    if high <= low:
        return None
    share = log(here / low) / log(high / low) if searched.log else (here - low) / (high - low)
    share = min(1.0, max(0.0, share))
    margin = 0.0 if searched.kind == "int" else EDGE
    if share <= margin:
        return Place(share, "" if starts_at_a_natural_limit(searched) else "low")
    return Place(share, "high" if share >= 1 - margin else "")


def starts_at_a_natural_limit(searched: ParameterRange) -> bool:
    """Whether no configuration can lie below the range: counts start at 0 or 1, other quantities at 0."""
    return searched.low in ((0, 1) if searched.kind == "int" else (0,))


def at_the_edge(record: StudyRecord, arm: ArmRecord) -> list[tuple[ParameterRange, Scalar, str]]:
    """Searched numeric parameters whose best value touches an end of the range."""
    best = best_parameters(record, arm)
    found = [(searched, best.get(searched.name)) for searched in arm.ranges]
    places = [(searched, value, place(searched, value)) for searched, value in found]
    return [(searched, value, where.edge) for searched, value, where in places if where is not None and where.edge]


def scarce_cells(record: StudyRecord) -> list[tuple[str, int]]:
    """(cell in words, positives) of cells with fewer than 100 positives in test, fewest first."""
    scarce = [
        (cell_in_words(cell.scenario, cell.task), cell.positives[2])
        for cell in record.data.cells
        if cell.positives[2] < FEW_POSITIVES
    ]
    return sorted(scarce, key=lambda pair: pair[1])


def cell_in_words(scenario: str, task: str) -> str:
    """`Home feed · click`."""
    return f"{scenario} · {task}"


def gate_in_words(where: str) -> str:
    """A gate as tables write it: `Home feed/click` is Home feed · click; a task has no slash, a scenario may."""
    scenario, _, gate = where.rpartition("/")
    return cell_in_words(scenario, gate) if scenario else gate


def arm_titles(arms: Sequence[ArmRecord]) -> list[str]:
    """Names as readers write them."""
    return [title(arm.name) for arm in arms]


def thinned(points: Sequence[tuple[float, float]], limit: int) -> list[tuple[float, float]]:
    """At most about `limit` points, first and last among them: every k-th one, nothing smoothed."""
    stride = max(1, -(-len(points) // limit))
    kept = list(points[::stride])
    return kept if not points or kept[-1] == points[-1] else [*kept, points[-1]]


def as_steps(changes: Sequence[tuple[float, float]], end: float) -> list[tuple[float, float]]:
    """Corner points of a staircase through the changes up to `end`."""
    corners: list[tuple[float, float]] = list(changes[:1])
    for (_, before), (x, after) in pairwise(changes):
        corners += [(x, before), (x, after)]
    return [*corners, (end, changes[-1][1])]
