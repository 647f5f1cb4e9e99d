"""Quick refusals: what is missing or misspelt is answered before torch is loaded (2 s)."""

import subprocess
import sys
from pathlib import Path

WRONG = (
    "report nosuch",
    "status nosuch",
    "export nosuch/hinet -o out",
    "predict nosuch rows.parquet -o scores.parquet",
    "monitor nosuch rows.parquet",
    "refit nosuch rows.parquet -o newer",
    "serve nosuch",
    "data init nosuch.csv",
    "launch nosuch",
    "launch quickstart --set trials=x",
    "check quickstart --set trails=3",
)
CODE = """
import sys
from hinet_search.cli import main
for line in WRONG:
    sys.argv = ["hinet-search", *line.split()]
    try:
        main()
    except SystemExit as end:
        print(end.code in (2, 3, 4), "torch" in sys.modules, line)
"""


def test_no_missing_file_or_misspelt_name_has_to_wait_for_torch(tmp_path: Path) -> None:
    code = f"{WRONG=}\n{CODE}"
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert said.stdout.splitlines() == [f"True False {line}" for line in WRONG]
