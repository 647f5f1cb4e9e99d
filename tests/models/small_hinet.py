"""A small HiNet in double precision, with options changed by their dotted names."""

from small_models import SCHEMA, randomise
from torch import nn

from hinet_search.data.schema import Schema
from hinet_search.models.hinet import Config, Model

SMALL = {
    "embedding_dim": 2,
    "scenario": {"num_shared_sub_experts": 2, "num_specific_sub_experts": 3, "widths": [4, 3]},
    "san": {"embedding_dim": 3},
    "cgc": {"widths": [4], "num_specific_experts": 2},
    "tower": {"widths": [3]},
}


def small(changes: dict[str, object], schema: Schema = SCHEMA) -> nn.Module:
    """Return a small HiNet with some options changed, by their dotted names."""
    options = {
        part: dict(value) if isinstance(value, dict) else value for part, value in SMALL.items()
    }
    for path, value in changes.items():
        part, _, name = path.partition(".")
        if name:
            options.setdefault(part, {})[name] = value
        else:
            options[part] = value
    return randomise(Model(Config.model_validate(options), schema))
