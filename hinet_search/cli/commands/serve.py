"""Use: score rows over HTTP with an exported model."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from cloup import option_group

from hinet_search.cli.access_options import HOST, TOKEN, TOKEN_FILE, port, read_token
from hinet_search.cli.help import Command
from hinet_search.cli.options import WholeNumber, output_options, plugins
from hinet_search.cli.output import output
from hinet_search.server.settings import MEGABYTE, Limits, Listening

LIMITS = Limits()
EXTRA = ("fastapi", "uvicorn", "prometheus_client")


@click.command(
    name="serve",
    cls=Command,
    codes=("3", "4"),
    examples=(
        "hinet-search serve winner",
        "hinet-search serve models/current --watch --port 8001",
        "hinet-search serve winner --max-rows 500 --max-requests 16 --threads 2",
    ),
)
@click.argument("folder", type=click.Path(path_type=Path))
@option_group("Address", HOST, port(Listening().port), TOKEN, TOKEN_FILE)
@option_group(
    "Limits",
    click.option(
        "--max-rows",
        type=WholeNumber(min=1),
        metavar="N",
        default=LIMITS.rows,
        show_default=True,
        help="Rows of a request.",
    ),
    click.option(
        "--max-megabytes",
        type=WholeNumber(min=1),
        metavar="N",
        default=LIMITS.num_bytes // MEGABYTE,
        show_default=True,
        help="Size of a request.",
    ),
    click.option(
        "--max-requests",
        type=WholeNumber(min=1),
        metavar="N",
        default=LIMITS.requests,
        show_default=True,
        help="Requests at once; others get 503 and Retry-After.",
    ),
)
@option_group(
    "How to run",
    click.option(
        "--threads",
        type=WholeNumber(min=1),
        metavar="N",
        help="Requests computed side by side.  [default: one a core]",
    ),
    click.option(
        "--watch",
        is_flag=True,
        help="Load the model again when its files, those of the state, or the link FOLDER change. "
        "SIGHUP always does.",
    ),
    click.option(
        "--state",
        metavar="FOLDER",
        type=click.Path(file_okay=False, path_type=Path),
        help="Score with the label statistics and the log that predict --state keeps in FOLDER.",
    ),
    click.option(
        "--events",
        is_flag=True,
        help="Take events: POST /events adds them to the log and label statistics, which go on in "
        "the folder of --state.",
    ),
)
@plugins
@output_options()
def command(folder: Path, token_file: Path | None, plugins: tuple[str, ...], **given: Any) -> None:
    """Serve the model in FOLDER, which hinet-search export wrote, or in the folder that the link
    FOLDER leads to.

    POST /score takes {"rows": [{...}, ...]} or {"columns": {...}} and replies with probabilities,
    or expected amounts; GET /docs describes the rest. SIGTERM ends it once running requests are
    answered.
    """
    import os
    from importlib.util import find_spec

    from hinet_search.common.errors import EnvironmentFault

    missing = [name for name in EXTRA if find_spec(name) is None]
    if missing:
        raise EnvironmentFault(
            f"serve needs packages that are not installed: {', '.join(missing)}",
            remedy="pip install 'hinet-search[serve]'",
        )

    from hinet_search.common.plugins import allow_only
    from hinet_search.serving.sealed import require_exported

    allow_only(plugins)
    listening = Listening(given["host"], given["port"], given["token"])
    if token_file is not None:
        listening = replace(listening, token=read_token(token_file))
    max_bytes = given["max_megabytes"] * MEGABYTE
    limits = Limits(given["max_rows"], max_bytes, given["max_requests"])
    threads = given["threads"] or len(os.sched_getaffinity(0))
    if given["events"] and given["state"] is None:
        raise click.UsageError("--events needs --state FOLDER, where the events are kept")
    require_exported(folder)

    from hinet_search.server.run import ServerOptions, serve

    modes = {name: given[name] for name in ("watch", "state", "events")}
    options = ServerOptions(folder, listening, limits, threads, **modes)
    serve(options, output().note)
