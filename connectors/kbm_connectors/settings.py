"""What a person writes under ``[sources.NAME]``, checked before anything is read.

Each connector describes its keys as one frozen model; :func:`validated` turns pydantic's report into one sentence
per fault that names the source, the key, the value and what would have worked. Values of keys that may hold a
secret are never repeated: the text ends in terminals and logs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from kbm.errors import ConfigError, did_you_mean
from kbm.ports import ConnectorSettings

SECRET = re.compile(r"passw|secret|token|api_?key|private_?key|credential", re.IGNORECASE)
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_SCP_STYLE = re.compile(r"[\w.-]+@[\w.-]+:")
_DRIVE = re.compile(r"[a-z]:[\\/]|\\\\", re.IGNORECASE)


class SourceSettings(BaseModel):
    """Base of every connector's settings: a wrong key is a fault, not a wish."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


Settings = TypeVar("Settings", bound=SourceSettings)


def validated(model: type[Settings], source: str, settings: ConnectorSettings) -> Settings:
    """Check the *settings* of a source.

    Raises:
        ConfigError: names every wrong key with its value; the hint names the nearest right one.
    """
    try:
        return model.model_validate(dict(settings))
    except ValidationError as error:
        faults, hint = [], ""
        for fault in error.errors(include_url=False):
            path = [str(part) for part in fault["loc"]]
            where = ".".join(["sources", source, *path])
            if fault["type"] == "extra_forbidden":
                known = _keys(model, path[:-1])
                faults.append(f"{where}: unknown key; there is: {', '.join(known)}")
                hint = hint or did_you_mean(path[-1], known)
            elif fault["type"] == "missing":
                faults.append(f"{where}: this key is needed")
            else:
                shown = "" if SECRET.search(where) else f" {_short(fault['input'])}:"
                faults.append(f"{where} ={shown} {_sentence(fault['msg'])}")
        # The cause holds the settings as they were typed, secrets included.
        raise ConfigError("; ".join(faults), hint=hint) from None


def _keys(model: type[BaseModel], path: list[str]) -> list[str]:
    """List the keys allowed at *path*, which leads through nested models."""
    for part in path:
        field = model.model_fields.get(part)
        if field is None or not (
            isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        ):
            return []
        model = field.annotation
    return sorted(model.model_fields)


def _short(value: object) -> str:
    if isinstance(value, Mapping):
        return "{…}"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"


def _sentence(message: str) -> str:
    """Strip the prefix pydantic puts before what our own validators say."""
    return message.removeprefix("Value error, ").removeprefix("Assertion failed, ")


def local_path(source: str, url: str, root: Path) -> Path:
    """Turn the ``url`` of a source into an absolute path; relative ones start at *root*.

    Links in it are kept, so that citation links read as configured.

    Raises:
        ConfigError: it is no local path. Only the scheme is repeated: an address may hold a password.
    """
    key = f"sources.{source}.url"
    scheme = _SCHEME.match(url)
    if scheme and scheme[1].lower() == "file":
        parts = urlsplit(url)
        if parts.netloc not in ("", "localhost"):
            raise ConfigError(
                f"{key}: a file:// address of another computer ({parts.hostname}) cannot be read",
                hint="mount the share and give the path, as in file:///mnt/share",
            )
        url = unquote(parts.path, errors="surrogateescape")
    elif scheme or _SCP_STYLE.match(url):
        name = f"{scheme[1].lower()}://" if scheme else "user@host:path"
        raise ConfigError(
            f"{key}: addresses of the form {name} are not supported yet: give a local path or file://",
            hint="mount the share or check the archive out, and give that folder",
        )
    elif _DRIVE.match(url):
        raise ConfigError(
            f"{key} = {_short(url)}: a Windows path cannot be read here",
            hint="write a share as smb://SERVER/SHARE/FOLDER, or mount it and give the path",
        )
    if "\0" in url:
        raise ConfigError(f"{key} = {_short(url)}: a path holds no NUL")
    return Path(os.path.abspath(root / Path(url).expanduser()))
