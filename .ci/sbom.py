"""A bill of what the package needs, in the wheel: CycloneDX 1.6, in .dist-info/sboms (PEP 770).

It names each run-time requirement of pyproject.toml with its range, and the version of
constraints.txt that this release was tested with. The wheel holds no code of another project.
"""

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def component(name: str, version: str) -> dict[str, Any]:
    """Return a library of the index of Python packages, as CycloneDX writes it."""
    url = f"pkg:pypi/{name}@{version}"
    return {"type": "library", "name": name, "version": version, "purl": url, "bom-ref": url}


def bill(name: str, version: str, requirements: list[str], pins: list[str]) -> dict[str, Any]:
    """Return the bill of the package `name`; `pins` are lines as `numpy==2.4.6`."""
    tested = {}
    for line in pins:
        library, _, pin = line.partition("==")
        tested[canonicalize_name(library)] = pin
    package, libraries = component(name, version), []
    for requirement in map(Requirement, requirements):
        library = canonicalize_name(requirement.name)
        accepts = {"name": "hinet-search:accepts", "value": str(requirement.specifier)}
        libraries.append(component(library, tested[library]) | {"properties": [accepts]})
    needs = [library["bom-ref"] for library in libraries]
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": package},
        "components": libraries,
        "dependencies": [{"ref": package["bom-ref"], "dependsOn": needs}],
    }


class BillOfMaterials(BuildHookInterface):
    """Hatchling's hook: writes the bill before a wheel is built, and removes the file after it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the bill to a temporary folder; only a wheel takes it from there."""
        pins = (Path(self.root) / "constraints.txt").read_text(encoding="utf-8").splitlines()
        project = self.metadata.core
        content = bill(project.name, project.version, project.dependencies, pins[1:])
        self.folder = tempfile.mkdtemp()
        path = Path(self.folder) / f"{project.name}.cdx.json"
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        build_data["sbom_files"] = [str(path)]

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the temporary folder."""
        shutil.rmtree(self.folder)
