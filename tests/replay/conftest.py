"""Tests of the replay of recorded trainings; what they import lies in benchmarks/."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
