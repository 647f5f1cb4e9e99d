"""Result files: what the tables of a results page need of one study or of all variants of one.

They are in docs/results/data, written from stored studies by `save.py`.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean

from hinet_search.common.frozen_model import Frozen
from hinet_search.results.contrasts import Contrast, judged
from hinet_search.results.finalist_values import arm_values, chosen, headline, headline_by_seed
from hinet_search.results.objectives import Objective
from hinet_search.results.records import ArmRecord, CellValue, FinalistRecord, FinalistRun
from hinet_search.results.study_record import StudyRecord

FOLDER = Path(__file__).parent / "data"
DIGITS = 5


class ArmResult(Frozen):
    """The chosen finalist of an arm; values are one per seed, cells (`scenario · task`) are means.

    `headline` is the measure of the study's verdict; without FLOPs (trees) `flops_per_row` is 0.
    """

    name: str
    parameters: int
    dense_parameters: int
    flops_per_row: int
    seconds: float
    valid_headline: tuple[float, ...]
    test_headline: tuple[float, ...]
    valid_macro: tuple[float, ...]
    valid_weighted: tuple[float, ...]
    test_macro: tuple[float, ...]
    test_weighted: tuple[float, ...]
    test_cells: dict[str, float]


class StudyResult(Frozen):
    """A study; `reachable` is the best AUC on test of each cell where the truth is known."""

    name: str
    headline: str
    arms: tuple[ArmResult, ...]
    reachable: dict[str, float]


class GainResult(Frozen):
    """What the focus gains over another arm in the headline on test, and on validation."""

    study: str
    focus: str
    against: str
    valid_gain: float
    gain: float
    low: float
    high: float
    seed_error: float
    user_error: float
    p_holm: float


class WayResult(Frozen):
    """A way to a model: what it reaches and costs (`ways.py`).

    `valid` is the objective and `test` the headline by seed, empty if the split was not opened.
    `seconds` are those of all trainings behind it, on one slot; milliseconds those to score 100
    rows. The gain is in the headline on test; without seeds of its own (an ensemble) it has no p.
    """

    study: str
    name: str
    valid: tuple[float, ...]
    test: tuple[float, ...]
    seconds: float
    milliseconds_per_100: float | None
    flops_per_row: int
    gain: float | None = None
    low: float | None = None
    high: float | None = None
    p_holm: float | None = None


class PowerResult(Frozen):
    """Which true difference a comparison finds in 80 % of studies (`power.py`).

    `alone` at the level .05, `first_of_all` at the first level of Holm's procedure; `low` and
    `high` are the interval of the gain.
    """

    focus: str
    against: str
    alone: float
    first_of_all: float
    low: float
    high: float


class ResultFile(Frozen):
    """Studies and the gains of one of their arms, with Holm's procedure over all of these; ways."""

    studies: tuple[StudyResult, ...] = ()
    gains: tuple[GainResult, ...] = ()
    ways: tuple[WayResult, ...] = ()
    powers: tuple[PowerResult, ...] = ()

    @property
    def text(self) -> str:
        """The file as JSON, with a line for every study, gain, way and power."""
        items = (
            ("studies", self.studies),
            ("gains", self.gains),
            ("ways", self.ways),
            ("powers", self.powers),
        )
        lists = [
            f'"{name}": [\n' + ",\n".join(each.model_dump_json() for each in of_kind) + "\n]"
            for name, of_kind in items
            if of_kind
        ]
        return "{" + ",\n".join(lists) + "}\n"


def read(name: str) -> ResultFile:
    """Read docs/results/data/NAME.json."""
    return ResultFile.model_validate_json((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def result_file(records: Sequence[StudyRecord], focus: str | None = None) -> ResultFile:
    """Return what pages need of finished studies; the focus is by default their first arm.

    SystemExit if a study is not finished, has no arm `focus`, or lacks what a claim needs.
    """
    return ResultFile(studies=tuple(map(_study, records)), gains=_gains(records, focus))


def _study(record: StudyRecord) -> StudyResult:
    return StudyResult(
        name=record.name,
        headline=headline(record.objective),
        arms=tuple(_arm(record, arm) for arm in record.arms),
        reachable={
            _cell_name(cell.scenario, cell.task): round(cell.reachable_auc, DIGITS)
            for cell in record.data.cells
            if cell.reachable_auc is not None
        },
    )


def _arm(record: StudyRecord, arm: ArmRecord) -> ArmResult:
    finalist = _chosen(arm)
    runs = finalist.runs
    cost = runs[0].cost
    return ArmResult(
        name=arm.name,
        parameters=cost.parameters,
        dense_parameters=cost.dense_parameters,
        flops_per_row=cost.flops_per_row or 0,
        seconds=round(fmean(run.cost.seconds for run in runs), 1),
        valid_headline=_rounded(headline_by_seed(record, finalist, "valid").values()),
        test_headline=_rounded(headline_by_seed(record, finalist, "test").values()),
        valid_macro=_rounded(Objective("macro_auc")(run.valid_cells) for run in runs),
        valid_weighted=_rounded(Objective("weighted_auc")(run.valid_cells) for run in runs),
        test_macro=_rounded(
            Objective("macro_auc")(run.test_cells) for run in runs if run.test_cells
        ),
        test_weighted=_rounded(
            Objective("weighted_auc")(run.test_cells) for run in runs if run.test_cells
        ),
        test_cells=_mean_cells(runs),
    )


def _mean_cells(runs: Sequence[FinalistRun]) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    cells: list[CellValue] = [cell for run in runs for cell in run.test_cells or ()]
    for cell in cells:
        if cell.auc is not None:
            values.setdefault(_cell_name(cell.scenario, cell.task), []).append(cell.auc)
    return {name: round(fmean(aucs), DIGITS) for name, aucs in values.items()}


def _gains(records: Sequence[StudyRecord], focus: str | None) -> tuple[GainResult, ...]:
    compared = [
        (record, arm, other)
        for record in records
        for arm in [_focus(record, focus)]
        for other in record.arms
        if other is not arm
    ]
    sides = [
        (other.name, arm_values(record, arm), arm_values(record, other))
        for record, arm, other in compared
    ]
    judged_pairs = zip(compared, judged(sides, "users"), strict=True)
    return tuple(_gain(*pair, contrast) for pair, contrast in judged_pairs)


def _gain(record: StudyRecord, arm: ArmRecord, other: ArmRecord, contrast: Contrast) -> GainResult:
    difference = contrast.difference
    if contrast.lacks or difference is None:
        raise SystemExit(f"{record.name}, {arm.name} against {other.name}: {contrast.lacks}")
    sign = 1.0 if record.maximize else -1.0
    valid, valid_other = (
        fmean(headline_by_seed(record, _chosen(side), "valid").values()) for side in (arm, other)
    )
    measured = {
        "valid_gain": sign * (valid - valid_other),
        "gain": difference.mean,
        "low": difference.low,
        "high": difference.high,
        "seed_error": contrast.seed_error,
        "user_error": contrast.user_error,
        "p_holm": contrast.p_holm,
    }
    known = {name: round(value, DIGITS) for name, value in measured.items() if value is not None}
    return GainResult(study=record.name, focus=arm.name, against=other.name, **known)


def _focus(record: StudyRecord, focus: str | None) -> ArmRecord:
    names = [arm.name for arm in record.arms]
    if focus is not None and focus not in names:
        raise SystemExit(f"{record.name} has the arms {', '.join(names)}, and no {focus}")
    return record.arms[0 if focus is None else names.index(focus)]


def _chosen(arm: ArmRecord) -> FinalistRecord:
    finalist = chosen(arm)
    if finalist is None:
        raise SystemExit(f"{arm.name} has no chosen finalist yet: let its study finish")
    return finalist


def _cell_name(scenario: str, task: str) -> str:
    return f"{scenario} · {task}"


def _rounded(values: Iterable[float | None]) -> tuple[float, ...]:
    return tuple(round(value, DIGITS) for value in values if value is not None)
