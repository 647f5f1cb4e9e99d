"""Exported: one call each for what is done with an exported model, once and every night.

Like api.py, each call imports what it needs when it runs.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hinet_search.common.plugins import allow_only
from hinet_search.common.spaced import say_nothing
from hinet_search.report.files import write_files
from hinet_search.serving.sealed import require_exported

if TYPE_CHECKING:
    from os import PathLike

    from hinet_search.serving.drift import Drift
    from hinet_search.serving.newer.fit_again import NewerModel
    from hinet_search.serving.nightly.outcome import Night
    from hinet_search.serving.predict import Prediction
    from hinet_search.training.device import Wanted


def predict(
    folder: "str | PathLike[str]",
    rows: "str | PathLike[str]",
    to: "str | PathLike[str]",
    *,
    state: "str | PathLike[str] | None" = None,
    device: "Wanted" = "cpu",
    plugins: tuple[str, ...] = (),
) -> "Prediction":
    """Score the rows of a table with an exported model and write the scores.

    `state` is a folder with label counts that roll forward: rows with labels are added to them.
    Errors: those of `score_table`.
    """
    allow_only(plugins)
    require_exported(Path(folder))

    from hinet_search.serving.model_folder import open_folder
    from hinet_search.serving.predict import score_table
    from hinet_search.training.device import choose_device

    exported = open_folder(Path(folder), choose_device(device).device)
    return score_table(exported, str(rows), Path(to), None if state is None else Path(state))


def monitor(
    folder: "str | PathLike[str]",
    rows: "str | PathLike[str]",
    to: "str | PathLike[str] | None" = None,
    *,
    device: "Wanted" = "cpu",
    plugins: Sequence[str] = (),
) -> "Drift":
    """Compare the rows of a table with those that a model in `folder` learned from.

    `to` is a Markdown file for the card of all figures. `plugins` are as for `predict`.
    Errors: those of `drift_of`, and those of `write_report`.
    """
    allow_only(plugins)
    require_exported(Path(folder))

    from hinet_search.serving.drift_card import drift_card
    from hinet_search.serving.model_folder import open_folder
    from hinet_search.serving.monitor import drift_of
    from hinet_search.training.device import choose_device

    exported = open_folder(Path(folder), choose_device(device).device)
    drift = drift_of(exported, str(rows))
    if to is not None:
        write_files("", {Path(to).suffix: drift_card(drift)}, Path(to))
    return drift


def refit(
    folder: "str | PathLike[str]",
    rows: "str | PathLike[str]",
    to: "str | PathLike[str]",
    *,
    device: "Wanted" = "cpu",
    plugins: Sequence[str] = (),
    say: Callable[[str], None] = say_nothing,
    **options: Any,
) -> "NewerModel":
    """Fit an exported model again on newer labelled rows, and write it as the new folder `to`.

    The newest rows are held out. If it is shown to be worse on them than the shipped model, nothing
    is written and `is_written` of the result is false, unless `even_if_worse`. Options are those of
    `FitOptions`: `held_out`, `learning_rate`, `forget_after`, `even_if_worse`. `plugins`
    are as for `predict`. `say` is called with a line before each long step and each evaluation.
    Errors: those of `fit_again`; then nothing is written.
    """
    allow_only(plugins)
    require_exported(Path(folder))

    from hinet_search.serving.model_folder import open_folder
    from hinet_search.serving.newer.fit_again import FitOptions, fit_again
    from hinet_search.training.device import choose_device

    chosen = choose_device(device)
    if chosen.note:
        say(chosen.note)
    exported = open_folder(Path(folder), chosen.device)
    return fit_again(exported, str(rows), Path(to), FitOptions(**options), say)


def nightly(  # noqa: PLR0913  which rows, and where what became of the model is shown
    folder: "str | PathLike[str]",
    rows: "str | PathLike[str]",
    to: "str | PathLike[str]",
    *,
    registry: str | None = None,
    device: "Wanted" = "cpu",
    plugins: Sequence[str] = (),
    say: Callable[[str], None] = say_nothing,
    **options: Any,
) -> "Night":
    """Take a night's rows into account in the folder `to`, which serves what became of a model.

    `folder` has the shipped model. The model that is served is monitored, fit again and judged, and
    replaced unless the new one is shown to be worse. Options are those of `FitOptions`. `registry`
    names a model of MLflow's registry that shows the folder; one that is away is a warning.
    Errors: those of `run_night`, ConfigurationError for a folder of another model, and
    EnvironmentFault if another night runs there.
    """
    allow_only(plugins)
    require_exported(Path(folder))

    from hinet_search.serving.newer.fit_again import FitOptions
    from hinet_search.serving.nightly.models_folder import ModelsFolder
    from hinet_search.serving.nightly.night import run_night
    from hinet_search.serving.nightly.registry import require_registry
    from hinet_search.training.device import choose_device

    if registry is not None:
        require_registry(registry)
    models = ModelsFolder(Path(to))
    chosen = choose_device(device).device
    with models.held():
        models.follow(Path(folder))
        return run_night(models, str(rows), FitOptions(**options), chosen, say, registry)


def apply_delta(
    folder: "str | PathLike[str]", delta: "str | PathLike[str]", to: "str | PathLike[str]"
) -> Path:
    """Write the folder `to` that the delta of a night makes of the model that it began with.

    Errors: those of `serving.nightly.delta.apply_delta`; then nothing is written.
    """
    require_exported(Path(folder))

    from hinet_search.serving.nightly.delta import apply_delta as apply

    apply(Path(folder), Path(delta), Path(to))
    return Path(to)


def roll_back(
    folder: "str | PathLike[str]",
    to: "str | PathLike[str]",
    *,
    registry: str | None = None,
    warn: Callable[[str], None] = say_nothing,
) -> Path:
    """Serve the model of before again in a folder of nights of `folder`; return where it is.

    `registry` is as for `nightly`; `warn` is called if it cannot show that.
    Errors: ConfigurationError if there is none, and for a folder of another model;
    EnvironmentFault if a night runs there.
    """
    require_exported(Path(folder))

    from hinet_search.serving.nightly.models_folder import ModelsFolder
    from hinet_search.serving.nightly.registry import register, require_registry

    if registry is not None:
        require_registry(registry)
    models = ModelsFolder(Path(to))
    with models.held():
        models.follow(Path(folder))
        models.roll_back()
        if registry is not None:
            for warning in register(registry, models, models.nights()):
                warn(warning)
        return models.current
