"""The plan of a study, as `check` and `launch --dry-run` show it."""

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from hinet_search.cli._document import print_document
from hinet_search.cli._options import as_typed, launch_options
from hinet_search.cli._voice import mark, voice
from hinet_search.cli._words import count, counted, duration, gigabytes

if TYPE_CHECKING:
    from hinet_search.search.options import LaunchOptions
    from hinet_search.search.plan import Plan
    from hinet_search.search.standing import Standing
    from hinet_search.study import Study


def show_plan(study: str, given: Mapping[str, Any], *, as_json: bool) -> None:
    """Check a study, time its arms, and print what a launch would do."""
    from hinet_search.face import ready
    from hinet_search.search.kept import planned
    from hinet_search.search.standing import shortages, standing

    options = launch_options(given)
    checked = ready(study, options, voice().note)
    stored = standing(checked, options)
    plan = planned(checked)
    warnings = [f"wider than what is stored, launch with --extend: {line}" for line in (stored.wider if stored else ())]
    warnings += [*checked.dataset.record.warnings, *checked.study.doubts, *shortages(plan, options.folder)]
    if as_json:
        _print_json(plan, stored, warnings)
        return
    _print(plan, stored, warnings)
    if voice().verbose:
        click.echo("\n".join(["", *origin_lines(checked.study, options)]))
    voice().next(f"hinet-search launch {shlex.join([study, *as_typed(given, options)])}")


def _print(plan: "Plan", stored: "Standing | None", warnings: list[str]) -> None:
    spec, data = plan.ready.study.spec, plan.ready.dataset.record
    train, valid, test = data.rows
    _ok("data", f"{train + valid + test:,} rows, {len(data.scenarios)} scenarios x {len(data.tasks)} tasks, fingerprint {data.fingerprint[:8]}")  # fmt: skip
    _ok("split", f"{data.split}: train {train:,}, valid {valid:,}, test {test:,}")
    names = ", ".join(arm.name for arm in plan.arms)
    _ok("arms", f"{names}: {counted(spec.trials, 'trial')} each, {plan.trials} in all, at most {counted(spec.passes, 'pass', 'passes')}")  # fmt: skip
    _ok("limit", _limit(spec.cost_limit))
    if spec.sizes:
        _ok("size", f"{plan.ready.study.name}; sizes of the study: {', '.join(spec.sizes)}")
    if stored is not None:
        _ok("stored", f"{stored.state}, {stored.done} of {stored.budget} trials: a launch goes on with it")
    for warning in [*warnings, *([plan.ready.device.note] if plan.ready.device.note else [])]:
        click.echo(f"{mark('!!')}  {warning}")
    _print_arms(plan)
    finalists = f"top {spec.finalists.top} + default x {counted(spec.finalists.seeds, 'seed')}"
    click.echo(
        f"\nplan {counted(plan.ready.slots, 'slot')} on {plan.ready.device.device}, {gigabytes(plan.memory_bytes)} of memory, "
        f"{gigabytes(plan.disk_bytes)} of disk; finalists {finalists};\n"
        f"     about {duration(plan.seconds)} (probe of {duration(plan.probe_seconds)})"
    )


def _print_arms(plan: "Plan") -> None:
    names = max(len(arm.name) for arm in plan.arms) + 2
    click.echo(
        f"\n{'arm':<{names}}{'model':<16}{'searched':>9}{'trials':>8}  {'parameters min / median / max':<32}{'a trial':>9}"
    )
    for arm in plan.arms:
        sizes = " / ".join(count(size) for size in arm.parameters)
        took = f"{arm.seconds_per_trial:.1f} s" if arm.seconds_per_trial < 10 else duration(arm.seconds_per_trial)
        click.echo(f"{arm.name:<{names}}{arm.model:<16}{arm.searched:>9}{arm.trials:>8}  {sizes:<32}{took:>9}")


def _print_json(plan: "Plan", stored: "Standing | None", warnings: list[str]) -> None:
    spec, data, checked = plan.ready.study.spec, plan.ready.dataset.record, plan.ready
    print_document(
        "check",
        study=checked.study.name,
        data={
            "rows": dict(zip(("train", "valid", "test"), data.rows, strict=True)),
            "scenarios": data.scenarios,
            "tasks": data.tasks,
            "split": data.split,
            "fingerprint": data.fingerprint,
        },
        arms=plan.arms,
        finalists=spec.finalists.model_dump(),
        slots=checked.slots,
        device=str(checked.device.device),
        trials=plan.trials,
        finalist_runs=plan.finalist_runs,
        seconds=round(plan.seconds, 1),
        memory_bytes=plan.memory_bytes,
        disk_bytes=plan.disk_bytes,
        stored=stored,
        warnings=warnings,
    )


def origin_lines(study: "Study", options: "LaunchOptions") -> list[str]:
    """Every value of a study with where it comes from."""
    from hinet_search.search.origins import origins

    return [f"{one.name:<28}{one.value:<24} {one.where}" for one in origins(study, options)]


def plan_line(plan: "Plan") -> str:
    """`60 trials, then 12 finalist trainings, 4 slots on cpu, about 6 h 30 m`."""
    ready = plan.ready
    return (
        f"{counted(plan.trials, 'trial')}, then {counted(plan.finalist_runs, 'finalist training')}, "
        f"{counted(ready.slots, 'slot')} on {ready.device.device}, about {duration(plan.seconds)}"
    )


def _ok(name: str, text: str) -> None:
    click.echo(f"{mark('ok')}  {name:<8}{text}")


def _limit(cost_limit: float | None) -> str:
    if cost_limit is None:
        return "none: a draw may need any number of FLOPs a row"
    return f"no draw needs more than {cost_limit:g} times the FLOPs a row of the default HiNet"
