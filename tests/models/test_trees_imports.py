"""LightGBM is imported when trees grow or are read; its absence is told with a remedy."""

import subprocess
import sys

import pytest

from hinet_search.common.errors import EnvironmentFault
from tests.models.test_trees import grown


def test_a_machine_without_openmp_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "lightgbm":
                raise OSError("libgomp.so.1: cannot open shared object file")

    monkeypatch.delitem(sys.modules, "lightgbm", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    with pytest.raises(EnvironmentFault, match=r"libgomp\.so\.1") as caught:
        grown()
    assert "apt install libgomp1" in caught.value.remedy


def test_the_module_is_imported_without_lightgbm() -> None:
    code = "import sys, hinet_search.models.trees; print('lightgbm' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
