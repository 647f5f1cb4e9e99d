"""Plan text: print the plan of a study for `check`."""

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from hinet_search.cli.options import as_typed, launch_options
from hinet_search.cli.output import echo, mark, output, output_width, print_document
from hinet_search.common.amounts import byte_size, compact, counted, duration, mean_in_words, plain
from hinet_search.common.terminal import table_text

if TYPE_CHECKING:
    from hinet_search.data.study_data import InputCounts
    from hinet_search.results.data_record import DataRecord
    from hinet_search.results.records import Start
    from hinet_search.search.plan.forecast import Plan
    from hinet_search.search.stored_study import StoredStudy
    from hinet_search.study.launch_options import LaunchOptions
    from hinet_search.study.load_study import ResolvedStudy


def show_plan(study: str, given: Mapping[str, Any], *, as_json: bool) -> None:
    """Check a study, time its arms and print what a launch would do."""
    from hinet_search.api import ready

    options = launch_options(given)
    checked = ready(study, options, output().note)

    from hinet_search.search.machine import busy_cores
    from hinet_search.search.plan.forecast import make_plan, shortages
    from hinet_search.search.plan.plan_warnings import (
        few_pairs,
        few_steps,
        gpu_settings_without_gpu,
        large_defaults,
        left_out_starts,
        rows_not_kept,
        rows_not_looked_up,
    )
    from hinet_search.search.stored_study import find_stored_study

    stored = find_stored_study(checked, options)
    plan = make_plan(checked)
    wider = stored.wider if stored else ()
    warnings = [
        *(f"wider than what is stored, launch with --extend: {line}" for line in wider),
        *plan.notes,
        *few_steps(checked),
        *few_pairs(checked),
        *gpu_settings_without_gpu(checked),
        *rows_not_kept(checked),
        *large_defaults(checked),
        *rows_not_looked_up(checked),
        *left_out_starts(checked.study),
        *checked.dataset.record.warnings,
        *checked.study.guesses_to_check,
        *shortages(plan),
        *busy_cores(checked),
    ]
    if as_json:
        _print_json(plan, stored, warnings)
        return
    for line in table_text(_facts(plan, stored)).splitlines():
        echo(mark("ok"), f"  {line}")
    for warning in warnings:
        echo(mark("!!"), f"  {warning}")
    if checked.study.guesses_to_check:
        echo("    where a guess is right, remove its comment `# check: ...`")
    echo("\n" + _arms(plan))
    echo("\n" + _costs(plan))
    if output().verbose:
        echo("\n" + origin_table(checked.study, options))
    output().next(f"hinet-search launch {shlex.join([study, *as_typed(given, options)])}")


def _facts(plan: "Plan", stored: "StoredStudy | None") -> Iterator[tuple[str, str]]:
    """Yield the names and values of what was checked."""
    from hinet_search.data.study_data import count_inputs

    spec = plan.ready.study.spec
    data = plan.ready.dataset.record
    train, valid, test = data.rows
    yield from _data_facts(data)
    if data.ranked:
        yield "groups", "; ".join(count.in_words for count in data.ranked)
    yield "inputs", _inputs(count_inputs(plan.ready.dataset, spec.data.features))
    yield "split", f"{data.split}: train {train:,}, valid {valid:,}, test {test:,}"
    names = ", ".join(arm.name for arm in plan.arms)
    epochs = f"at most {counted(spec.epochs, 'epoch')}"
    yield from _smallest(plan)
    yield "arms", f"{names}: {_trials_each(plan)}, {plan.trials} in all, {epochs}"
    yield "limit", _limit(spec.cost_limit)
    yield "device", str(plan.ready.device.device)
    if spec.variants:
        yield "variant", f"{plan.ready.study.name}; one of {counted(len(spec.variants), 'variant')}"
    if spec.sizes:
        yield "size", f"{plan.ready.study.name}; sizes of the study: {', '.join(spec.sizes)}"
    if stored is not None:
        trials = f"{stored.done} of {stored.budget} trials"
        yield "stored", f"{stored.state}, {trials}: a launch resumes it"


def _smallest(plan: "Plan") -> Iterator[tuple[str, str]]:
    """Yield the smallest difference that the study can be expected to show."""
    from hinet_search.results.objectives import DEFAULT
    from hinet_search.results.statistics.paired_difference import expected_smallest, rounded
    from hinet_search.results.statistics.simultaneous import LEVEL
    from hinet_search.results.statistics.welch import SEEDS_FOR_A_CLAIM

    spec = plan.ready.study.spec
    cells = plan.ready.dataset.record.cells
    sizes = [(cell.positives[2], cell.rows[2] - cell.positives[2]) for cell in cells]
    seeds = max(spec.finalists.seeds, SEEDS_FOR_A_CLAIM)
    if spec.objective != DEFAULT or spec.data.user is None or len(plan.arms) < 2:
        return
    with_seeds, least = expected_smallest(sizes, seeds, LEVEL / (len(plan.arms) - 1))
    found = f"differences in macro AUC from about {rounded(with_seeds)} with {seeds} seeds"
    yield "shown", f"{found}; no number of seeds shows less than about {rounded(least)}"


def _data_facts(data: "DataRecord") -> Iterator[tuple[str, str]]:
    from hinet_search.results.cells import absent_cells

    cells = f"{len(data.scenarios)} scenarios x {len(data.tasks)} tasks"
    if absent := absent_cells(data):
        cells += f" without {', '.join(map('/'.join, absent))}"
    yield "data", f"{sum(data.rows):,} rows, {cells}, fingerprint {data.fingerprint[:8]}"
    if data.sample:
        yield "sample", data.searched_on
    if data.units:
        means = ", ".join(f"{task} {mean_in_words(unit)}" for task, unit in data.units.items())
        yield "amounts", f"mean in training: {means}"
    if data.weights:
        yield "weights", data.weights.in_words(data.rows[0])


def _limit(cost_limit: float | None) -> str:
    if cost_limit is None:
        return "none: a draw may need any number of FLOPs a row"
    return f"no draw needs more than {plain(cost_limit)} times the FLOPs a row of the default HiNet"


def _trials_each(plan: "Plan") -> str:
    """Return `20 trials each`, or `about 23 trials each in 2 h`."""
    spec = plan.ready.study.spec
    if spec.budget is None:
        at_most = "at most " if plan.notes else ""
        return f"{at_most}{counted(spec.trials, 'trial')} each"
    most = max(arm.trials for arm in plan.arms)
    return f"about {counted(most, 'trial')} each in {duration(60 * spec.budget)}"


def _inputs(counts: "InputCounts") -> str:
    """Return `41: 9 categorical, 8 numeric, 24 statistics of 8 keys (3.10 MB, 0.4 s once)`."""
    numbers = {
        f"{counts.categorical:,} categorical": counts.categorical,
        f"{counts.numeric:,} numeric": counts.numeric,
        counted(counts.flags, "flag of missing numbers", "flags of missing numbers"): counts.flags,
        f"{counts.statistics:,} statistics of {counted(counts.keys, 'key')}": counts.statistics,
        counted(counts.matches, "match", "matches"): counts.matches,
        f"{counts.events:,} events of {counted(counts.event_keys, 'key')}": counts.events,
        f"{counts.session:,} of the session": counts.session,
        counted(counts.lists, "list"): counts.lists,
        counted(counts.sequences, "sequence"): counts.sequences,
    }
    kinds = ", ".join(text for text, number in numbers.items() if number)
    cost = [byte_size(counts.derived_bytes)] if counts.derived_bytes else []
    if counts.derived_seconds is not None:
        cost.append(f"{counts.derived_seconds:.1f} s once")
    text = f"{counts.total:,}: {kinds}"
    return f"{text} ({', '.join(cost)})" if cost else text


def _arms(plan: "Plan") -> str:
    header = ("arm", "model", "searched", "trials", "parameters min / median / max", "a trial")
    rows = []
    for arm in plan.arms:
        sizes = " / ".join(map(compact, arm.parameters))
        seconds = duration(arm.seconds_per_trial)
        rows.append((arm.name, arm.model, str(arm.searched), str(arm.trials), sizes, seconds))
    return table_text(rows, header, right={2, 3, 5}, width=output_width())


def _costs(plan: "Plan") -> str:
    finalists = plan.ready.study.spec.finalists
    room = f"{byte_size(plan.memory_bytes)} of memory, {byte_size(plan.disk_bytes)} of disk"
    default = " + default" if finalists.default else ""
    chosen = f"top {finalists.top}{default} x {counted(finalists.seeds, 'seed')}"
    seconds = f"about {duration(plan.seconds)} (probe of {duration(plan.probe_seconds)})"
    rows = [
        ("plan", f"{plan.slots_in_words}, {room}"),
        *_input_trainings(plan),
        ("search", _search(plan)),
        ("finalists", f"{chosen}: {plan.finalists_in_words}"),
        *_choices(plan),
        *_students(plan),
    ]
    if plan.trainings.refits:
        refits = counted(plan.trainings.refits, "training")
        on = "on the rows of train and validation"
        rows.append(("refit", f"{refits} {on}, or one per ensemble member"))
    return table_text([*rows, ("time", seconds)])


def _input_trainings(plan: "Plan") -> Iterator[tuple[str, str]]:
    """Yield what a study that measures its inputs does before its trials."""
    spec = plan.ready.study.spec
    if spec.inputs is not None and plan.trainings.inputs:
        groups = ", ".join(spec.data.features.optional_groups)
        seeds = counted(spec.inputs.seeds, "seed")
        most = counted(plan.trainings.inputs, "training")
        yield "groups", f"{plan.measuring_arm} with and without {groups} x {seeds}: at most {most}"


def _search(plan: "Plan") -> str:
    """Return `the default, 3 of study shop, 8 of the portfolio, then tpe; pruner median`.

    Where arms begin differently, it is the arm with configurations of the most origins.
    """
    from hinet_search.study.starts import distinct

    spec = plan.ready.study.spec
    tried: list[list[str]] = []
    searches = False
    for arm, planned in zip(plan.ready.study.arms, plan.arms, strict=True):
        starts = distinct(arm.starts, arm.space)[: planned.trials - 1]
        tried.append([_origin(start) for start in starts])
        searches = searches or len(starts) + 1 < planned.trials
    most = max(tried, key=lambda origins: (len(set(origins)), len(origins)))
    parts = ["the default"]
    parts += [f"{number} {origin}" for origin, number in Counter(most).items()]
    if searches:
        parts.append(f"then {spec.sampler.kind}")
    traded = f"; trades {' against '.join(spec.objectives)}" if spec.other_objectives else ""
    return f"{', '.join(parts)}; pruner {spec.pruner.kind}{traded}"


def _origin(start: "Start") -> str:
    if start.study:
        return f"of study {start.study}"
    return "of the portfolio" if start.is_of_portfolio else "named by the study"


def _choices(plan: "Plan") -> Iterator[tuple[str, str]]:
    """Yield what a study that measures its choices does after its finalists."""
    choices = plan.ready.study.spec.choices
    if choices is not None and plan.trainings.choices:
        which = f"the best finalist with up to {counted(choices.most, 'choice')} taken back"
        seeds = counted(choices.seeds, "seed")
        most = counted(plan.trainings.choices, "training")
        yield "choices", f"{which} x {seeds}: at most {most}"


def _students(plan: "Plan") -> Iterator[tuple[str, str]]:
    """Yield what a study that teaches does after its finalists."""
    teaching = plan.ready.study.spec.teaching
    most = plan.trainings.students
    if teaching is None:
        return
    names = ", ".join(teaching.students)
    if teaching.students == "auto":
        names = "the best arm and the cheapest within the margin"
    yield "students", f"{names}: at most {counted(most, 'training')}"


def _print_json(plan: "Plan", stored: "StoredStudy | None", warnings: list[str]) -> None:
    from hinet_search.data.study_data import count_inputs
    from hinet_search.results.cells import absent_cells

    spec = plan.ready.study.spec
    data = plan.ready.dataset.record
    checked = plan.ready
    of_data = {
        "rows": dict(zip(("train", "valid", "test"), data.rows, strict=True)),
        "scenarios": data.scenarios,
        "tasks": data.tasks,
        "absent_cells": absent_cells(data),
        "split": data.split,
        "fingerprint": data.fingerprint,
        "inputs": count_inputs(checked.dataset, spec.data.features),
    }
    if data.sample:
        of_data["sample"] = data.sample
    if data.units:
        of_data["amount_units"] = dict(data.units)
    if data.weights:
        of_data["weights"] = data.weights
    print_document(
        "check",
        study=checked.study.name,
        data=of_data,
        arms=plan.arms,
        finalists=spec.finalists.model_dump(),
        slots=checked.slots,
        device=str(checked.device.device),
        trials=plan.trials,
        finalist_runs=plan.finalist_runs,
        finalist_runs_are_known=plan.finalist_runs_are_known,
        input_trainings=plan.trainings.inputs,
        choice_trainings=plan.trainings.choices,
        student_trainings=plan.trainings.students,
        seconds=round(plan.seconds, 1),
        memory_bytes=plan.memory_bytes,
        disk_bytes=plan.disk_bytes,
        stored=stored,
        warnings=warnings,
    )


def origin_table(study: "ResolvedStudy", options: "LaunchOptions") -> str:
    """Return a table of every value of a study and its origin."""
    from hinet_search.study.origins import origins

    return table_text(
        (origin.name, origin.value, origin.where) for origin in origins(study, options)
    )
