"""What all tests share: array shapes and types are checked at run time while tests run, and nowhere else."""

import os
import signal

from hypothesis import settings
from jaxtyping import install_import_hook

os.environ.setdefault("OMP_NUM_THREADS", "1")
signal.signal(signal.SIGINT, signal.default_int_handler)  # the background job of a shell is started deaf to it
settings.register_profile("project", deadline=None, max_examples=50, derandomize=True)
settings.load_profile("project")

_hook = install_import_hook(
    ["hinet_search.nn", "hinet_search.models", "hinet_search.training", "hinet_search.schema"], "beartype.beartype"
)
