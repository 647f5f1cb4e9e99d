"""What all tests share: array shapes and types are checked at run time while tests run, and nowhere else."""

import os

from hypothesis import settings
from jaxtyping import install_import_hook

os.environ.setdefault("OMP_NUM_THREADS", "1")
settings.register_profile("project", deadline=None, max_examples=50, derandomize=True)
settings.load_profile("project")

_hook = install_import_hook(
    ["hinet_search.nn", "hinet_search.models", "hinet_search.training", "hinet_search.schema"], "beartype.beartype"
)
