"""Ways to a model, from HiNet's default to an ensemble: what each reaches, and what it costs.

`python docs/results/ways.py NAME --output FOLDER` reads every variant of the studies
questions/pipeline and questions/tuned_trees from the store of their launches, and writes
docs/results/data/NAME.json. With `--variant`, once for each, it reads these alone, and what the
file has of other variants stays. `--size` names another size than the first.
"""

import argparse
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from result_files import DIGITS, FOLDER, ResultFile, WayResult
from save import records

from hinet_search.results.contrasts import Contrast, arm_values, judged
from hinet_search.results.ensemble_records import ENSEMBLE
from hinet_search.results.finalist_values import (
    best_on_validation,
    headline,
    headline_by_seed,
    objective_by_seed,
    values_by,
)
from hinet_search.results.records import ArmRecord, FinalistRecord
from hinet_search.results.shipping import serving_cost
from hinet_search.results.study_record import StudyRecord
from hinet_search.results.taught_contrasts import ensemble_contrast
from hinet_search.results.verdict import title

PIPELINE, TREES = "questions/pipeline", "questions/tuned_trees"


@dataclass(frozen=True, eq=False)  # each is itself, and can be a key
class _Way:
    """A finalist, and the arms whose trainings it took; without any it took one of its own."""

    name: str
    record: StudyRecord
    arm: ArmRecord
    finalist: FinalistRecord
    behind: tuple[ArmRecord, ...] = ()


def ways(networks: StudyRecord, trees: StudyRecord) -> Iterator[WayResult]:
    """All ways of one data set: those of the study of networks, HiNet first, and that of trees.

    Gains are over the searched HiNet. Holm's procedure covers those of the data set, but ensembles:
    they have no seeds, so their intervals are over users only.
    """
    every = list(_ways(networks, trees))
    hinet, others = every[1], [way for way in every[2:] if way.behind]
    sides = [
        (way.name, arm_values(way.record, way.arm), arm_values(hinet.record, hinet.arm))
        for way in others
    ]
    contrasts = dict(zip(others, judged(sides, "users"), strict=True))
    yield from (_result(networks, way, contrasts.get(way)) for way in every)
    yield _ensemble(networks)


def _ways(networks: StudyRecord, trees: StudyRecord) -> Iterator[_Way]:
    """HiNet by default and searched first."""
    hinet, forest = networks.arms[0], trees.arms[0]
    yield _Way("HiNet, default", networks, hinet, _default(networks, hinet))
    yield _Way("HiNet, searched", networks, hinet, _chosen(networks, hinet), (hinet,))
    best = _best(networks, networks.arms)
    if best is not hinet:
        name = f"{title(best.name)}, searched"
        yield _Way(name, networks, best, _chosen(networks, best), networks.arms)
    student = _best(networks, networks.students)
    behind = (*networks.arms, student)
    yield _Way(title(student.name), networks, student, _chosen(networks, student), behind)
    yield _Way("LightGBM, default", trees, forest, _default(trees, forest))
    yield _Way("LightGBM, tuned", trees, forest, _chosen(trees, forest), (forest,))


def _best(record: StudyRecord, arms: Sequence[ArmRecord]) -> ArmRecord:
    best = best_on_validation(record, arms)
    if best is None:
        raise SystemExit(_unfinished(record))
    return best


def _default(record: StudyRecord, arm: ArmRecord) -> FinalistRecord:
    return _first(record, (finalist for finalist in arm.finalists if finalist.is_default))


def _chosen(record: StudyRecord, arm: ArmRecord) -> FinalistRecord:
    return _first(record, (finalist for finalist in arm.finalists if finalist.chosen))


def _first(record: StudyRecord, finalists: Iterator[FinalistRecord]) -> FinalistRecord:
    finalist = next(finalists, None)
    if finalist is None:
        raise SystemExit(_unfinished(record))
    return finalist


def _unfinished(record: StudyRecord) -> str:
    return f"{record.name} lacks finalists or its ensemble: let it finish"


def _result(networks: StudyRecord, way: _Way, contrast: Contrast | None) -> WayResult:
    runs = way.finalist.runs
    one_run = fmean(run.cost.seconds for run in runs)
    cost = way.finalist.cost
    return WayResult(
        study=networks.name,
        name=way.name,
        valid=_rounded(objective_by_seed(way.record, way.finalist, "valid").values()),
        test=_rounded(headline_by_seed(way.record, way.finalist, "test").values()),
        seconds=round(_seconds(way.behind) if way.behind else one_run, 1),
        milliseconds_per_100=cost.milliseconds_per_100,
        flops_per_row=cost.flops_per_row or 0,
        **_gain(contrast),
    )


def _ensemble(record: StudyRecord) -> WayResult:
    ensemble = record.ensemble(ENSEMBLE)
    if ensemble is None:
        raise SystemExit(_unfinished(record))
    cost = serving_cost(record, [member.run for member in ensemble.members])
    test = values_by(headline(record.objective))(ensemble.test_cells or ())
    return WayResult(
        study=record.name,
        name=f"ensemble of {len(ensemble.members)} runs",
        valid=_rounded([ensemble.honest_value]),
        test=_rounded([] if test is None else [test]),
        seconds=round(_seconds(record.arms_and_students), 1),
        milliseconds_per_100=cost.milliseconds_per_100,
        flops_per_row=cost.flops_per_row,
        **_gain(ensemble_contrast(record, ensemble, record.arms[0])),
    )


def _seconds(arms: Iterable[ArmRecord]) -> float:
    """Seconds of all trainings of some arms on one slot."""
    trained = list(arms)
    costs = [trial.cost for arm in trained for trial in arm.trials if trial.cost is not None]
    finalists = [finalist for arm in trained for finalist in arm.finalists]
    costs += [run.cost for finalist in finalists for run in finalist.runs]
    return sum(cost.seconds for cost in costs)


def _gain(contrast: Contrast | None) -> dict[str, float]:
    if contrast is None or contrast.difference is None:
        return {}
    measured = {
        "gain": contrast.difference.mean,
        "low": contrast.difference.low,
        "high": contrast.difference.high,
        "p_holm": contrast.p_holm,
    }
    return {name: round(value, DIGITS) for name, value in measured.items() if value is not None}


def _rounded(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(round(value, DIGITS) for value in values)


def _others(path: Path, studies: Collection[str]) -> Iterator[WayResult]:
    """Yield the ways of other studies that a file has, if there is one."""
    if path.is_file():
        file = ResultFile.model_validate_json(path.read_text(encoding="utf-8"))
        yield from (way for way in file.ways if way.study not in studies)


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--variant", action="append", help="once for each; by default all")
    parser.add_argument("--size")
    parser.add_argument("--output", type=Path, help="the folder of the launches")
    options = parser.parse_args()
    both = [
        records(study, options.size, options.output, options.variant) for study in (PIPELINE, TREES)
    ]
    read = [way for networks, trees in zip(*both, strict=True) for way in ways(networks, trees)]
    path = FOLDER / f"{options.name}.json"
    file = ResultFile(ways=(*_others(path, {way.study for way in read}), *read))
    path.write_text(file.text, encoding="utf-8")
    print(f"wrote {path}: {len(file.ways)} ways")


if __name__ == "__main__":
    main()
