"""Run or continue a study, then write its report."""

import shlex
import sys
from typing import Any

import click

from hinet_search.cli._live import watcher_for
from hinet_search.cli._options import launch_options, run_options
from hinet_search.cli._words import duration
from hinet_search.search.options import LaunchOptions


@click.command(name="launch")
@click.argument("study")
@run_options
@click.option("--extend", is_flag=True, help="Go on with a stored study though its arms or ranges are wider now.")
@click.option("--no-progress", is_flag=True, help="Plain lines even on a terminal.")
def command(study: str, no_progress: bool, **given: Any) -> None:  # noqa: FBT001  click passes flags by name
    """Run or continue STUDY: a path, a name in ./studies, or a shipped study.

    Ctrl-C stops safely; the same command goes on where it stopped, with the same budget.

    \b
    hinet-search launch quickstart
    hinet-search launch studies/shop.yaml --slots 4 --trials 30
    hinet-search launch kuairand --output /tmp/try --device cpu
    """
    from hinet_search.compare.rules import verdict
    from hinet_search.errors import Interrupted
    from hinet_search.face import launch_ready, ready, report_path

    options = launch_options(given)
    checked = ready(study, options, lambda text: click.echo(text, err=True))
    if checked.device.note:
        click.echo(checked.device.note, err=True)
    written = _written(options)
    try:
        with watcher_for(plain=no_progress) as watcher:
            record = launch_ready(checked, options, written, watcher)
    except Interrupted as error:
        error.remedy = f"go on: {written}"
        raise
    path = report_path(checked.study, options)
    click.echo(f"done in {duration(record.seconds)}: {verdict(record).sentence}")
    click.echo(f"report   {path} ({path.stat().st_size / 1e6:.2f} MB)")
    click.echo("Next: open the report, or hinet-search dashboard", err=True)


def _written(options: LaunchOptions) -> str:
    """The command as it is stored and shown, without the password of a database."""
    from hinet_search.storage.address import parse_address

    words = ["hinet-search", *sys.argv[1:]]
    if options.storage and (address := parse_address(options.storage)).password is not None:
        words = [word.replace(options.storage, address.masked) for word in words]
    return shlex.join(words)
