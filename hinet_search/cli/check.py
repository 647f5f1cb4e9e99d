"""Check a study without running it: every problem at once, and what it will cost."""

import shlex
from typing import Any

import click

from hinet_search.cli._options import as_typed, launch_options, run_options
from hinet_search.cli._words import count, counted, duration


@click.command(name="check")
@click.argument("study")
@run_options
def command(study: str, **given: Any) -> None:
    """Check STUDY and print its plan; nothing is run. Data are encoded, so that a launch starts at once.

    \b
    hinet-search check quickstart
    hinet-search check studies/shop.yaml --slots 4
    """
    from hinet_search.face import ready
    from hinet_search.search.plan import make_plan

    options = launch_options(given)
    plan = make_plan(ready(study, options, lambda text: click.echo(text, err=True)))
    spec, data = plan.ready.study.spec, plan.ready.dataset.record
    train, valid, test = data.rows
    click.echo(
        f"ok  data    {train + valid + test:,} rows, {len(data.scenarios)} scenarios x {len(data.tasks)} tasks, fingerprint {data.fingerprint[:8]}"
    )
    click.echo(f"ok  split   {data.split}: train {train:,}, valid {valid:,}, test {test:,}")
    click.echo(
        f"ok  arms    {', '.join(arm.name for arm in plan.arms)}: {counted(spec.trials, 'trial')} each, "
        f"at most {counted(spec.passes, 'pass', 'passes')}"
    )
    click.echo(f"ok  limit   {_limit(spec.cost_limit)}")
    if spec.sizes:
        click.echo(f"ok  size    {plan.ready.study.name}; sizes of the study: {', '.join(spec.sizes)}")
    for warning in data.warnings:
        click.echo(f"!!  {warning}")
    if plan.ready.device.note:
        click.echo(f"!!  {plan.ready.device.note}")
    names = max(len(arm.name) for arm in plan.arms) + 2
    click.echo(
        f"\n{'arm':<{names}}{'model':<16}{'searched':>9}{'trials':>8}  {'parameters min / median / max':<32}{'a trial':>9}"
    )
    for arm in plan.arms:
        sizes = " / ".join(count(size) for size in arm.parameters)
        click.echo(
            f"{arm.name:<{names}}{arm.model:<16}{arm.searched:>9}{arm.trials:>8}  {sizes:<32}{_short(arm.seconds_per_trial):>9}"
        )
    finalists = f"top {spec.finalists.top} + default x {counted(spec.finalists.seeds, 'seed')}"
    click.echo(
        f"\nplan {counted(plan.ready.slots, 'slot')} on {plan.ready.device.device}; finalists {finalists}; "
        f"about {duration(plan.seconds)} (timed on a probe)"
    )
    click.echo(f"Next: hinet-search launch {shlex.join([study, *as_typed(given, options)])}", err=True)


def _short(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else duration(seconds)


def _limit(cost_limit: float | None) -> str:
    if cost_limit is None:
        return "none: a draw may need any number of FLOPs a row"
    return f"no draw needs more than {cost_limit:g} times the FLOPs a row of the default HiNet"
