"""Models folder: the models of all nights, which of them is served, and a line for every night.

models/0000      the model that was shipped, which no night changes
models/0001 ...  those of the nights that were promoted, and beside each what makes it of the one
                 that was served before: models/0001.delta
current          a link to the model that is served; it is replaced whole
previous         a link to the one before it, to roll back to
nights.jsonl     a line for every night

A model is written whole, then `previous` and `current` are replaced, then the line is added. A
night that is killed leaves one whole model at `current`, and is done again by the same command.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from hinet_search.common.errors import ConfigurationError, EnvironmentFault
from hinet_search.common.files import locked, make_folder, replacing_folder
from hinet_search.serving.model_folder import CARD
from hinet_search.serving.nightly.delta import DELTA, write_delta
from hinet_search.serving.nightly.outcome import Night
from hinet_search.serving.sealed import MANIFEST, manifest_hash, sealed_files

MODELS, CURRENT, PREVIOUS, NIGHTS = "models", "current", "previous", "nights.jsonl"
LOCK = "night.lock"
SHIPPED = "0000"
_NUMBER = re.compile(r"[0-9]{4,9}")
_NIGHT = TypeAdapter(Night)


class ModelsFolder:
    """The folder of a model and of what nights made of it."""

    def __init__(self, root: Path) -> None:
        """Open a folder, which may not exist yet."""
        self.root = root

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder; EnvironmentFault if another night does."""
        with locked(self.root / LOCK.removesuffix(".lock"), self._refuse):
            yield

    def _refuse(self) -> None:
        raise EnvironmentFault(
            f"{self.root}: another night is running there",
            remedy="wait until it has ended; the same command then takes these rows",
        )

    def follow(self, shipped: Path) -> None:
        """Begin with a model, or check that the folder began with it.

        Errors: ConfigurationError if it began with another one, or has other things in it; those of
        `sealed_files` for the model.
        """
        first = self.model(SHIPPED)
        if not first.exists():
            self._begin(shipped)
        elif manifest_hash(first) != manifest_hash(shipped):
            raise ConfigurationError(
                f"{self.root}: must be the folder of {shipped}, but began with another model",
                remedy="name another folder with -o, or the model that it began with",
            )
        if not self._link(CURRENT).is_symlink():
            self._point(CURRENT, SHIPPED)
        self._remove_unserved()

    def _begin(self, shipped: Path) -> None:
        others = {each.name for each in self.root.iterdir()} - {MODELS, LOCK}
        if others:
            raise ConfigurationError(
                f"{self.root}: must be a new folder, or one of earlier nights, got {min(others)}",
                remedy="name another folder with -o",
            )
        names = (
            sealed_files(shipped) | {MANIFEST} | ({CARD} if (shipped / CARD).is_file() else set())
        )
        make_folder(self.root / MODELS)
        with replacing_folder(self.model(SHIPPED), None) as part:
            for name in names:
                (part / name).parent.mkdir(exist_ok=True)
                shutil.copyfile(shipped / name, part / name)

    def model(self, name: str) -> Path:
        """The folder of a model."""
        return self.root / MODELS / name

    @property
    def shipped(self) -> Path:
        """The model that the folder began with."""
        return self.model(SHIPPED)

    @property
    def current(self) -> Path:
        """The model that is served."""
        return self.model(self._name(CURRENT))

    @property
    def linked(self) -> dict[str, Path]:
        """The models that links name, by the name of the link."""
        links = (CURRENT, PREVIOUS)
        return {
            link: self.model(self._name(link)) for link in links if self._link(link).is_symlink()
        }

    @property
    def folders(self) -> list[Path]:
        """All models, oldest first."""
        return [self.model(name) for name in self._names()]

    def next_model(self) -> Path:
        """Where the next model is written."""
        return self.model(f"{max(map(int, self._names()), default=0) + 1:04}")

    def promote(self, model: Path) -> None:
        """Serve a model from now on, once its delta is beside it."""
        write_delta(self.current, model, model.with_suffix(DELTA))
        self._point(PREVIOUS, self._name(CURRENT))
        self._point(CURRENT, model.name)

    def roll_back(self) -> None:
        """Serve the model before; ConfigurationError if there is none."""
        if not self._link(PREVIOUS).is_symlink():
            raise ConfigurationError(
                f"{self.root}: must have a model from before the one that is served, but has none",
                remedy="nothing was promoted since, so nothing can be taken back",
            )
        before, now = self._name(PREVIOUS), self._name(CURRENT)
        self._point(CURRENT, before)
        self._point(PREVIOUS, now)

    def keep(self, num_models: int) -> None:
        """Remove models but the newest, the shipped one and those that links name."""
        linked = {folder.name for folder in self.linked.values()}
        kept = {SHIPPED, *linked, *self._names()[-num_models:]}
        for name in self._names():
            if name not in kept:
                self._remove(name)

    def note(self, line: Mapping[str, Any]) -> None:
        """Add the line of a night."""
        with (self.root / NIGHTS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def nights(self) -> list[Night]:
        """All nights in their order; lines that cannot be read are left out."""
        path = self.root / NIGHTS
        nights = []
        for line in path.read_bytes().splitlines() if path.is_file() else ():
            with suppress(ValidationError):  # refused rows, or the line of a night that was killed
                nights.append(_NIGHT.validate_json(line))
        return nights

    def _remove_unserved(self) -> None:
        """Remove the newest model if its night was killed before it was served."""
        newest = self._names()[-1]
        if newest not in {SHIPPED, *(folder.name for folder in self.linked.values())}:
            self._remove(newest)

    def _remove(self, name: str) -> None:
        self.model(name).with_suffix(DELTA).unlink(missing_ok=True)
        shutil.rmtree(self.model(name))

    def _names(self) -> list[str]:
        """The names of all models, oldest first."""
        folders = (self.root / MODELS).iterdir()
        names = [each.name for each in folders if each.is_dir() and not each.is_symlink()]
        return sorted((name for name in names if _NUMBER.fullmatch(name)), key=int)

    def _link(self, name: str) -> Path:
        return self.root / name

    def _name(self, link: str) -> str:
        """The model that a link names; ConfigurationError unless it is one of this folder."""
        path = self._link(link)
        target = path.readlink() if path.is_symlink() else Path()
        if target.parent != Path(MODELS) or not _NUMBER.fullmatch(target.name):
            raise ConfigurationError(
                f"{path}: must be a link to one of {self.root / MODELS}, got {target}",
                remedy=f"ln -sfn {MODELS}/{SHIPPED} {path}",
            )
        return target.name

    def _point(self, link: str, name: str) -> None:
        """Let a link name a model; who opens it meanwhile finds the old one or the new one."""
        path = self._link(link)
        part = path.with_name(f"{link}.part")
        part.unlink(missing_ok=True)
        part.symlink_to(Path(MODELS) / name)
        part.replace(path)
