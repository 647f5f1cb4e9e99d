"""Result files: what the tables of a results page need of one study or of all variants of one.

They are in docs/results/data, written from stored studies by `save.py`.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import fmean

from hinet_search.common.frozen_model import Frozen
from hinet_search.results.contrasts import arm_values, judged
from hinet_search.results.finalist_values import chosen, headline, headline_by_seed
from hinet_search.results.objectives import macro_auc, weighted_auc
from hinet_search.results.records import ArmRecord, CellValue, FinalistRecord, FinalistRun
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.verdict import verdict

FOLDER = Path(__file__).parent / "data"
DIGITS = 5


class ArmResult(Frozen):
    """The chosen finalist of an arm; values are one per seed, cells (`scenario · task`) are means.

    `headline` is the measure of the study's verdict; without FLOPs (trees) `flops_per_row` is 0.
    """

    name: str
    trial: int
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
    """A study as launched; `reachable` is the best AUC of each cell where the truth is known."""

    name: str
    command: str
    headline: str
    rows: tuple[int, int, int]
    verdict: str
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


class ResultFile(Frozen):
    """Studies and the gains of their first arm, with Holm's procedure over all of these."""

    studies: tuple[StudyResult, ...]
    gains: tuple[GainResult, ...]


def read(name: str) -> ResultFile:
    """Read docs/results/data/NAME.json."""
    return ResultFile.model_validate_json((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def result_file(records: Sequence[StudyRecord], focus: str | None = None) -> ResultFile:
    """Return what pages need of finished studies; the focus is by default their first arm."""
    return ResultFile(studies=tuple(map(_study, records)), gains=_gains(records, focus))


def _study(record: StudyRecord) -> StudyResult:
    return StudyResult(
        name=record.name,
        command=record.command,
        headline=headline(record.objective),
        rows=record.data.rows,
        verdict=verdict(record).sentence,
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
        trial=finalist.trial_number,
        parameters=cost.parameters,
        dense_parameters=cost.dense_parameters,
        flops_per_row=cost.flops_per_row or 0,
        seconds=round(fmean(run.cost.seconds for run in runs), 1),
        valid_headline=_rounded(headline_by_seed(record, finalist, "valid").values()),
        test_headline=_rounded(headline_by_seed(record, finalist, "test").values()),
        valid_macro=_rounded(macro_auc(run.valid_cells) for run in runs),
        valid_weighted=_rounded(weighted_auc(run.valid_cells) for run in runs),
        test_macro=_rounded(macro_auc(run.test_cells) for run in runs if run.test_cells),
        test_weighted=_rounded(weighted_auc(run.test_cells) for run in runs if run.test_cells),
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
    gains = []
    for (record, arm, other), contrast in zip(compared, judged(sides, "users"), strict=True):
        difference = contrast.difference
        if difference is None or difference.low is None or difference.high is None:
            raise SystemExit(f"{record.name}: {other.name} cannot be compared: {contrast.reason}")
        sign = 1.0 if record.maximize else -1.0
        means = [
            fmean(headline_by_seed(record, _chosen(side), "valid").values())
            for side in (arm, other)
        ]
        gains.append(
            GainResult(
                study=record.name,
                focus=arm.name,
                against=other.name,
                valid_gain=round(sign * (means[0] - means[1]), DIGITS),
                gain=round(difference.mean, DIGITS),
                low=round(difference.low, DIGITS),
                high=round(difference.high, DIGITS),
                seed_error=round(contrast.seed_error or 0.0, DIGITS),
                user_error=round(contrast.user_error or 0.0, DIGITS),
                p_holm=round(1.0 if contrast.p_holm is None else contrast.p_holm, 4),
            )
        )
    return tuple(gains)


def _focus(record: StudyRecord, focus: str | None) -> ArmRecord:
    return next((arm for arm in record.arms if arm.name == focus), record.arms[0])


def _chosen(arm: ArmRecord) -> FinalistRecord:
    finalist = chosen(arm)
    if finalist is None:
        raise SystemExit(f"{arm.name} has no chosen finalist yet: let its study finish")
    return finalist


def _cell_name(scenario: str, task: str) -> str:
    return f"{scenario} · {task}"


def _rounded(values: Iterable[float | None]) -> tuple[float, ...]:
    return tuple(round(value, DIGITS) for value in values if value is not None)
