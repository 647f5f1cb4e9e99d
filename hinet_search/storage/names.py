"""Names of studies: what a user may call one, and what Optuna calls an arm of it."""

import re

from hinet_search.errors import ConfigurationError

_STUDY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def check_study_name(name: str) -> str:
    """The name itself; ConfigurationError when it could escape a folder, a page or a column."""
    if _STUDY_NAME.fullmatch(name) is None:
        shown = ascii(name if len(name) <= 80 else name[:77] + "...")
        raise ConfigurationError(
            f"study name must be 1 to 64 letters, digits, '.', '_' or '-' and start with a letter or digit, got {shown}"
        )
    return name


def optuna_name(study: str, arm: str) -> str:
    """Name of the Optuna study that holds one arm. The slash is ours: no study name contains one."""
    return f"{study}/{arm}"
