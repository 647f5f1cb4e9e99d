"""Names: what Optuna calls an arm of a study."""


def optuna_name(study: str, arm: str) -> str:
    """Name of the Optuna study that holds one arm. The slash is ours: no study name contains one."""
    return f"{study}/{arm}"
