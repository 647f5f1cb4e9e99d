"""Read: draw a model with shapes, parameters and FLOPs per row."""

from typing import Any

import click

from hinet_search.cli.options import Command, launch_options, output_options, places, plugins
from hinet_search.cli.output import echo, output


@click.command(
    name="describe",
    cls=Command,
    codes=("3", "4"),
    examples=(
        "hinet-search describe hinet",
        "hinet-search describe mmoe --study quickstart",
        "hinet-search describe flat_moe --study studies/shop.yaml",
    ),
)
@click.argument("model")
@click.option(
    "--study",
    metavar="STUDY",
    help="Use this study's data and the defaults of its arm; default: a small synthetic schema.",
)
@plugins
@places
@output_options()
def command(model: str, study: str | None, **given: Any) -> None:
    """Draw MODEL with its own defaults, or an arm (by name or model) with its default
    on a study's data.
    """
    from hinet_search.common.errors import ConfigurationError, did_you_mean
    from hinet_search.common.plugins import allow_only, refuse_unknown
    from hinet_search.study.load_study import MODELS

    options = launch_options(given)
    if study is None:
        allow_only(options.plugins)
        refuse_unknown(MODELS, model)  # before torch is loaded

        from hinet_search.data.schema import Schema
        from hinet_search.training.trial_config import build_config

        fields = ("user_id", "item_id", "hour")
        schema = Schema(
            ("home", "search", "push"), ("click", "order"), fields, (10_001, 5_001, 25), ("price",)
        )
        config = build_config(model, {})
        echo(f"{model} with its defaults, on a synthetic schema of 3 scenarios, 2 tasks, 3 fields")
    else:
        from hinet_search.api import ready

        checked = ready(study, options, output().note, to_launch=False)
        arms = {arm.model: arm for arm in reversed(checked.study.arms)}
        arms |= {arm.name: arm for arm in checked.study.arms}
        if model not in arms:
            raise ConfigurationError(
                f"study '{study}' has no arm '{model}', "
                f"known: {', '.join(arms)}{did_you_mean(model, arms)}"
            )
        arm = arms[model]

        from hinet_search.search.plan.size_limits import SizeLimits, default_of

        config = default_of(SizeLimits(checked.dataset, None).sized(arm, checked.study.arms))
        schema = config.features.schema_of(checked.dataset)
        as_large_as = f", as large as the default of {arm.size_of}" if arm.size_of else ""
        echo(f"{model} of study {study}, default configuration{as_large_as}")

    import torch

    from hinet_search.training.trainable import trainable

    echo(trainable(config.build(schema), schema, torch.device("cpu")).describe())
