"""Quick refusals: what is missing or misspelt is answered before torch is loaded (2 s)."""

import subprocess
import sys
from pathlib import Path

from tests.small import write_study

WRONG = (
    "report nosuch",
    "status nosuch",
    "export nosuch/hinet -o out",
    "predict nosuch rows.parquet -o scores.parquet",
    "refit nosuch rows.parquet -o newer",
    "serve nosuch",
    "data init nosuch.csv",
    "launch nosuch",
    "launch quickstart --set trials=x",
    "check quickstart --set trails=3",
    "launch quickstart --set train.bach_size=512",
    "check quickstart --set train.batch_size=many",
    "check quickstart --set features.minimum_frequncy=2",
    "check wrong_column.yaml",
)
WRONG_COLUMN = """\
data:
  source: {kind: table, path: rows.csv}
  scenario: {column: shop}
  tasks: {click: {column: click}}
  features: {numeric: [prise]}
  split: {by: random}
arms: {mmoe: }
"""
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
    (tmp_path / "rows.csv").write_text("shop,click,price\nhome,1,3\n")
    write_study(tmp_path, WRONG_COLUMN, "wrong_column")
    code = f"{WRONG=}\n{CODE}"
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert said.stdout.splitlines() == [f"True False {line}" for line in WRONG]
