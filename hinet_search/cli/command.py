"""A command of the command line: options in groups, examples, and exit codes."""

from collections.abc import Sequence
from typing import Any

import click
import cloup

from hinet_search.cli.errors import report_error, write_exit_codes

WIDTH = 100  # of the help


class Command(cloup.Command):
    """A command with examples and exit codes.

    A test parses the examples. `codes` are exit codes that other commands do not have.
    """

    def __init__(
        self, *arguments: Any, examples: Sequence[str] = (), codes: Sequence[str] = (), **named: Any
    ) -> None:
        self.examples = tuple(examples)
        self.codes = ("0", "1", "2", *codes, "141")
        named.setdefault("context_settings", {"max_content_width": WIDTH})
        super().__init__(*arguments, align_option_groups=False, **named)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; report any error without a traceback and exit with its code."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001  a panic of Rust or sys.exit of a plug-in
            return ctx.exit(report_error(error, ctx))

    def get_short_help_str(self, limit: int = 45) -> str:  # noqa: ARG002  click passes a limit
        """Return the first sentence of the help, which a group wraps and never cuts."""
        return super().get_short_help_str(limit=len(self.help or ""))

    def format_epilog(
        self,
        ctx: click.Context,  # noqa: ARG002  click passes a context
        formatter: click.HelpFormatter,
    ) -> None:
        """Write examples and exit codes."""
        with formatter.section("Examples"):
            formatter.write_text("\b\n" + "\n".join(self.examples))
        write_exit_codes(formatter, self.codes)
