"""``kbm.toml``, read once and frozen.

An error names the file, the key, the value and the valid choices; an unknown key names the nearest known one.
What a connector understands beyond the keys below is passed on to it as it stands and checked there.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError, model_validator

from kbm.domain.documents import EVERYONE
from kbm.errors import ConfigError, did_you_mean
from kbm.sections import (
    AccessSection,
    AnswersSection,
    BrakeSection,
    ChatSection,
    GptSection,
    KbmSection,
    OidcSection,
    PeopleSection,
    ReleaseSection,
    ReportSection,
    Section,
    SourceSection,
    slug,
)

CONFIG_NAME = "kbm.toml"


class Settings(Section):
    """All of ``kbm.toml``."""

    kbm: KbmSection
    sources: dict[Annotated[str, AfterValidator(slug)], SourceSection] = Field(default_factory=dict)
    gpts: dict[Annotated[str, AfterValidator(slug)], GptSection] = Field(default_factory=dict)
    report: ReportSection = Field(default=ReportSection())
    access: AccessSection = Field(default=AccessSection())
    chat: ChatSection = Field(default=ChatSection())
    path: Path = Field(default=Path(CONFIG_NAME), exclude=True)

    @model_validator(mode="after")
    def _sources_exist(self) -> Settings:
        for name, gpt in self.gpts.items():
            for source in gpt.sources:
                if source not in self.sources:
                    hint = did_you_mean(source, self.sources)
                    raise ValueError(
                        f"gpts.{name}.sources: no source named {source!r}; there is: "
                        f"{', '.join(sorted(self.sources)) or 'none'}" + (f"; {hint}" if hint else "")
                    )
            closed = [one for one in gpt.sources if set(self.sources[one].readers) != {EVERYONE}]
            if gpt.public and closed:
                raise ValueError(
                    f"gpts.{name}.public: anybody could ask it, but not everyone may read {', '.join(closed)}; "
                    f'set readers = ["{EVERYONE}"] there and nothing else, or leave public out and make keys'
                )
            for item in gpt.answers.prefer:
                if item.partition(":")[0] not in gpt.sources or not item.partition(":")[2]:
                    raise ValueError(
                        f"gpts.{name}.answers.prefer: {item!r} is not SOURCE:ITEM_ID of one of its sources"
                    )
        return self

    @property
    def root(self) -> Path:
        """Give the folder of ``kbm.toml``."""
        return self.path.parent

    @property
    def data_dir(self) -> Path:
        """Give the data folder."""
        return self.root / self.kbm.data_dir

    def warnings(self) -> list[str]:
        """Say what works but is better set."""
        found = []
        for name, source in self.sources.items():
            if not source.readers:
                found.append(
                    f"sources.{name}: no readers, so nobody may read it where the source itself does not say; "
                    f'set readers = ["{EVERYONE}"] or a group'
                )
        for name, gpt in self.gpts.items():
            if not gpt.people.sponsor:
                found.append(f"gpts.{name}.people: no sponsor")
            if not gpt.people.data_protection:
                found.append(f"gpts.{name}.people: no data_protection contact")
        return found


def find_config(given: Path | None) -> Path:
    """Tell which file to read: ``--config``, else ``KBM_CONFIG``, else ``kbm.toml`` in the working directory."""
    return given or Path(os.environ.get("KBM_CONFIG") or CONFIG_NAME)


def load_settings(path: Path) -> Settings:
    """Read and check a configuration file.

    Raises:
        ConfigError: with every fault of the file in one message.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            f"there is no {path}",
            hint="run `kbm init` here, `kbm demo` for the sample company, or name a file with --config",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    return settings_from(text, path)


def settings_from(text: str, path: Path) -> Settings:
    """Check the text of a configuration file, as if it stood at *path*.

    Raises:
        ConfigError: with every fault of the text in one message.
    """
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    try:
        return Settings.model_validate({**raw, "path": path.resolve()})
    except ValidationError as error:
        raise ConfigError("\n".join(f"{path}: {_in_words(fault)}" for fault in error.errors())) from None


def _in_words(fault: Mapping[str, Any]) -> str:
    """Say one fault of pydantic's list as a person would; its entries are untyped."""
    place = [str(part) for part in fault["loc"] if part != "[key]"]
    where = ".".join(place)
    value = fault.get("input")
    match fault["type"]:
        case "extra_forbidden":
            known = _known_keys(place[:-1])
            hint = did_you_mean(place[-1], known)
            return f"{where} is not a known key; known here: {', '.join(known)}" + (
                f"; {hint}" if hint else ""
            )
        case "missing":
            return f"{where} is missing" + (
                ": the owner of a GPT is required" if place[-1:] == ["people"] else ""
            )
        case "value_error":
            said = str(fault["ctx"]["error"])
            return said if not where else f"{where} = {value!r}: {said}"
        case _:
            return f"{where} = {value!r}: {fault['msg']}"


def _known_keys(place: list[str]) -> list[str]:
    match place:
        case []:
            return ["kbm", "sources", "gpts", "report", "access", "chat"]
        case ["kbm"]:
            return list(KbmSection.model_fields)
        case ["sources", _, "brake"]:
            return list(BrakeSection.model_fields)
        case ["access"]:
            return list(AccessSection.model_fields)
        case ["access", "oidc"]:
            return list(OidcSection.model_fields)
        case ["chat"]:
            return list(ChatSection.model_fields)
        case ["report"]:
            return list(ReportSection.model_fields)
        case ["gpts", _]:
            return list(GptSection.model_fields)
        case ["gpts", _, "people"]:
            return list(PeopleSection.model_fields)
        case ["gpts", _, "release"]:
            return list(ReleaseSection.model_fields)
        case ["gpts", _, "answers"]:
            return list(AnswersSection.model_fields)
        case _:
            return []
