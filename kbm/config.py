"""``kbm.toml``, read once and frozen.

An error names the file, the key, the value and the valid choices; an unknown key names the nearest known one.
What a connector understands beyond the keys below is passed on to it as it stands and checked there.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from kbm.domain.documents import EVERYONE
from kbm.domain.sync import Brake
from kbm.errors import ConfigError, did_you_mean

CONFIG_NAME = "kbm.toml"
LANGUAGES = ("de", "en", "fr")
CHAT_MODELS = ("extractive",)

_SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{1,62}[a-z0-9]|[a-z0-9]{1,2}")
_READER = re.compile(r"everyone|(group|user):\S+")
_DURATION = re.compile(r"(\d+)([hdw])")
_DAY = r"(?:\d{4}-)?(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
_FREEZE = re.compile(f"{_DAY}/{_DAY}")


def _slug(value: str) -> str:
    if not _SLUG.fullmatch(value):
        raise ValueError(
            "use 1 to 64 of a-z, 0-9, '.', '_' and '-', starting and ending with a letter or digit"
        )
    return value


def _reader(value: str) -> str:
    if not _READER.fullmatch(value):
        raise ValueError("a reader is 'everyone', 'group:NAME' or 'user:NAME'")
    return value


def _chat(value: str) -> str:
    if value not in CHAT_MODELS:
        raise ValueError(f"choose from {', '.join(CHAT_MODELS)}")
    return value


def _language(value: str) -> str:
    if value not in LANGUAGES:
        raise ValueError(f"choose from {', '.join(LANGUAGES)}")
    return value


def _duration(value: str) -> str:
    if not _DURATION.fullmatch(value):
        raise ValueError("write a number and h, d or w: 36h, 365d, 8w")
    return value


def _freeze(value: str) -> str:
    if not _FREEZE.fullmatch(value):
        raise ValueError("write two days, 2026-12-20/2027-01-06, or 12-20/01-06 for every year")
    return value


def _secret_ref(value: str) -> str:
    if value and not value.startswith(("env:", "file:")):
        raise ValueError("a secret is named, never written here: 'env:NAME' or 'file:PATH'")
    return value


Reader = Annotated[str, AfterValidator(_reader)]
SecretRef = Annotated[str, AfterValidator(_secret_ref)]
Language = Annotated[str, AfterValidator(_language)]
Chat = Annotated[str, AfterValidator(_chat)]
Duration = Annotated[str, AfterValidator(_duration)]
Freeze = Annotated[str, AfterValidator(_freeze)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def hours(duration: str) -> int:
    """Give a duration such as ``36h``, ``365d`` or ``8w`` in hours."""
    return int(duration[:-1]) * {"h": 1, "d": 24, "w": 168}[duration[-1]]


class KbmSection(_Section):
    """The company as a whole."""

    name: str = Field(min_length=1, description="The company's name, shown in answers and pages.")
    languages: tuple[Language, ...] = Field(default=LANGUAGES, description="Languages people ask in.")
    data_dir: str = Field(default=".kbm", description="Folder for databases and indexes, beside kbm.toml.")
    public_url: str = Field(
        default="http://127.0.0.1:8000", description="Address that citation links begin with."
    )
    embedder: str = Field(default="minilm", description="'minilm', 'none', or another installed embedder.")
    chat: Chat = Field(
        default="extractive", description="'extractive': answers are quoted sentences, no chat model."
    )
    max_document_mb: int = Field(
        default=50, ge=1, le=1024, description="Larger documents are quarantined, in MB."
    )
    parse_timeout_s: float = Field(
        default=120, gt=0, description="Longest time to parse one document, in seconds."
    )
    parse_memory_mb: int = Field(
        default=2048, ge=256, description="Most memory to parse one document, in MB."
    )
    workers: int = Field(default=1, ge=1, le=16, description="Parsing processes at work at once.")
    reserve_mb: int = Field(
        default=512, ge=0, description="Room that must stay free on the disk; less stops a build, in MB."
    )
    question_retention: Duration = Field(
        default="30d", description="How long questions stay readable in the journal."
    )
    nightly_at: str = Field(
        default="02:30",
        pattern=r"^([01]\d|2[0-3]):[0-5]\d$",
        description="When `kbm serve --with-scheduler` runs the night, local time.",
    )


class BrakeSection(_Section):
    """When a removal is too large to be normal: above *both* bounds it waits for a person."""

    documents: int = Field(default=10, ge=0, description="Removals up to this number pass.")
    share: float = Field(default=0.10, ge=0, le=1, description="Removals up to this share of a source pass.")


class SourceSection(_Section):
    """One connected system. Further keys belong to its connector."""

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: str = Field(description="The connector: 'files', 'rows', or another installed one.")
    readers: tuple[Reader, ...] = Field(
        default=(), description="Who may read what the source cannot tell readers of. Empty: nobody."
    )
    steward: str = Field(default="", description="Mail address of the person who looks after the source.")
    max_age: Duration | None = Field(default=None, description="Documents older than this are marked stale.")
    on_change: Literal["", "patch"] = Field(
        default="", description="'patch': `kbm watch` brings changes of this source into a release at once."
    )
    brake: BrakeSection = Field(default=BrakeSection())

    @property
    def settings(self) -> Mapping[str, Any]:
        """Give the connector's own keys; Any because each connector has its own."""
        return self.model_extra or {}

    @property
    def max_age_hours(self) -> int | None:
        """Give ``max_age`` in hours."""
        return hours(self.max_age) if self.max_age else None

    def brake_rule(self) -> Brake:
        """Give the brake as the rule that plans are made by."""
        return Brake(documents=self.brake.documents, share=self.brake.share)


class PeopleSection(_Section):
    """Who decides about a GPT."""

    owner: str = Field(min_length=3, description="Mail address of the owner, who decides.")
    sponsor: str = Field(default="", description="Mail address of the sponsor, who may override a gate.")
    data_protection: str = Field(default="", description="Mail address of the data-protection contact.")


class ReleaseSection(_Section):
    """How a GPT's releases go out."""

    nightly: str = Field(default="patch", pattern="^(patch|hold)$", description="'patch' or 'hold'.")
    canary: str = Field(default="", description="Share ('10%') or reader group that sees a release first.")
    max_drop: float = Field(
        default=0.03, ge=0, le=1, description="Largest fall of hit@5 that passes the gate."
    )
    train: Literal["", "mon", "tue", "wed", "thu", "fri", "sat", "sun"] = Field(
        default="",
        description="Weekday whose night also publishes a MINOR that passes; empty: a person does.",
    )
    freeze: tuple[Freeze, ...] = Field(
        default=(),
        description="Days without a release by itself, '2026-12-20/2027-01-06', or every year '12-20/01-06'.",
    )
    keep: int = Field(
        default=30, ge=2, description="Releases whose index is kept, beside live, previous and labelled ones."
    )
    purge_after: Duration = Field(
        default="90d", description="How long the content of a release stays after its index was put away."
    )


class GptSection(_Section):
    """One assistant."""

    title: str = Field(min_length=1, description="Name shown to people.")
    sources: tuple[str, ...] = Field(min_length=1, description="Names of the sources it answers from.")
    people: PeopleSection
    instructions: str = Field(
        default="", description="The assistant's own instructions, part of each release."
    )
    release: ReleaseSection = Field(default=ReleaseSection())


class ReportSection(_Section):
    """Who gets the morning report, and how."""

    mail_to: tuple[str, ...] = Field(default=(), description="Mail addresses that get the morning report.")
    mail_from: str = Field(default="kbm@localhost", description="Sender of the morning report.")
    smtp: str = Field(
        default="smtp://127.0.0.1:25",
        pattern=r"^smtps?://",
        description="Mail server, 'smtp://HOST:PORT' or 'smtps://HOST:PORT'.",
    )
    smtp_user: str = Field(default="", description="Name at the mail server; empty: no login.")
    smtp_password: SecretRef = Field(default="", description="Its password: 'env:NAME' or 'file:PATH'.")
    webhook: str = Field(
        default="", pattern=r"^(https?://.+)?$", description="Address the report is sent to as JSON."
    )
    also: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="Further ways to send it: `[report.also.NAME]` with the keys of an installed notifier.",
    )


class Settings(_Section):
    """All of ``kbm.toml``."""

    kbm: KbmSection
    sources: dict[Annotated[str, AfterValidator(_slug)], SourceSection] = Field(default_factory=dict)
    gpts: dict[Annotated[str, AfterValidator(_slug)], GptSection] = Field(default_factory=dict)
    report: ReportSection = Field(default=ReportSection())
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
        raw = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(
            f"there is no {path}",
            hint="run `kbm init` here, `kbm demo` for the sample company, or name a file with --config",
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
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
            return ["kbm", "sources", "gpts", "report"]
        case ["kbm"]:
            return list(KbmSection.model_fields)
        case ["sources", _, "brake"]:
            return list(BrakeSection.model_fields)
        case ["report"]:
            return list(ReportSection.model_fields)
        case ["gpts", _]:
            return list(GptSection.model_fields)
        case ["gpts", _, "people"]:
            return list(PeopleSection.model_fields)
        case ["gpts", _, "release"]:
            return list(ReleaseSection.model_fields)
        case _:
            return []
