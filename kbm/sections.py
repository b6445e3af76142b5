"""The sections of ``kbm.toml``: each key with its unit and a sentence, checked as it is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from kbm.domain.chat import EXTRACTIVE
from kbm.domain.healing import HEALABLE
from kbm.domain.sync import Brake

LANGUAGES = ("de", "en", "fr")

_SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{1,62}[a-z0-9]|[a-z0-9]{1,2}")
_READER = re.compile(r"everyone|(group|user):\S+")
_DURATION = re.compile(r"(\d+)([hdwy])")
_DAY = r"(?:\d{4}-)?(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
_FREEZE = re.compile(f"{_DAY}/{_DAY}")


def slug(value: str) -> str:
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
    if value == EXTRACTIVE:
        return value
    kind, _, model = value.partition(":")
    kinds = sorted({point.name for point in entry_points(group="kbm.chat_models")})
    if kind not in kinds:
        forms = ", ".join(f"{one}:MODEL" for one in kinds)
        raise ValueError(f"choose from {EXTRACTIVE}, {forms}")
    if not model:
        raise ValueError(f"name the model as well: '{kind}:MODEL'")
    return value


def _language(value: str) -> str:
    if value not in LANGUAGES:
        raise ValueError(f"choose from {', '.join(LANGUAGES)}")
    return value


def _duration(value: str) -> str:
    if not _DURATION.fullmatch(value):
        raise ValueError("write a number and h, d, w or y: 36h, 365d, 8w, 3y")
    return value


def _freeze(value: str) -> str:
    if not _FREEZE.fullmatch(value):
        raise ValueError("write two days, 2026-12-20/2027-01-06, or 12-20/01-06 for every year")
    return value


def _secret_ref(value: str) -> str:
    if value and not value.startswith(("env:", "file:")):
        raise ValueError("a secret is named, never written here: 'env:NAME' or 'file:PATH'")
    return value


def _heal(value: str) -> str:
    if value not in HEALABLE:
        raise ValueError(f"choose from {', '.join(HEALABLE)}; nothing else is done without asking")
    return value


Reader = Annotated[str, AfterValidator(_reader)]
SecretRef = Annotated[str, AfterValidator(_secret_ref)]
Language = Annotated[str, AfterValidator(_language)]
Chat = Annotated[str, AfterValidator(_chat)]
Duration = Annotated[str, AfterValidator(_duration)]
Heal = Annotated[str, AfterValidator(_heal)]
Freeze = Annotated[str, AfterValidator(_freeze)]
SynonymWord = Annotated[str, Field(min_length=1, max_length=100)]


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def is_reader(name: str) -> bool:
    """Tell whether a text is a reader's name."""
    return _READER.fullmatch(name) is not None


def is_duration(text: str) -> bool:
    """Tell whether a text is a duration such as ``36h``."""
    return _DURATION.fullmatch(text) is not None


def hours(duration: str) -> int:
    """Give a duration such as ``36h``, ``365d``, ``8w`` or ``3y`` in hours; a year has 365 days."""
    return int(duration[:-1]) * {"h": 1, "d": 24, "w": 168, "y": 8760}[duration[-1]]


class KbmSection(Section):
    """The company as a whole."""

    name: str = Field(min_length=1, description="The company's name, shown in answers and pages.")
    languages: tuple[Language, ...] = Field(default=LANGUAGES, description="Languages people ask in.")
    data_dir: str = Field(default=".kbm", description="Folder for databases and indexes, beside kbm.toml.")
    public_url: str = Field(
        default="http://127.0.0.1:8000", description="Address that citation links begin with."
    )
    embedder: str = Field(default="minilm", description="'minilm', 'none', or another installed embedder.")
    reranker: str = Field(
        default="none", description="'none', or an installed reranker, which orders the first 20 hits anew."
    )
    chat: Chat = Field(
        default=EXTRACTIVE,
        description="'extractive': answers are quoted sentences, no chat model. 'openai:MODEL', 'ollama:MODEL', "
        "'llamaindex:IMPORT.PATH:MODEL': a model words them; see `[chat]` and answers.md.",
    )
    max_document_mb: int = Field(
        default=50, ge=1, le=1024, description="Larger documents are quarantined, in MB."
    )
    parse_timeout_s: float = Field(
        default=120, gt=0, description="Longest time to parse one document, in seconds."
    )
    recognise_timeout_s: float = Field(
        default=600,
        ge=0,
        description="Longest time to recognise the text of one scan or picture, in seconds; 0 leaves them unread.",
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
    receipt_retention: Duration = Field(
        default="3y", description="How long the line of an answer stays in the journal, with its receipt."
    )
    nightly_at: str = Field(
        default="02:30",
        pattern=r"^([01]\d|2[0-3]):[0-5]\d$",
        description="When `kbm serve --with-scheduler` runs the night, local time.",
    )


class BrakeSection(Section):
    """When a loss is too large to be normal: above *both* bounds it waits for a person.

    Contents count as removals do when they become empty, shrink or change their language; that many documents turn
    into one text waits above the share alone, from three documents on.
    """

    documents: int = Field(default=10, ge=0, description="Removals up to this number pass.")
    share: float = Field(default=0.10, ge=0, le=1, description="Removals up to this share of a source pass.")


class SourceSection(Section):
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


class PeopleSection(Section):
    """Who decides about a GPT."""

    owner: str = Field(min_length=3, description="Mail address of the owner, who decides.")
    deputies: tuple[str, ...] = Field(
        default=(), description="Mail addresses of those who decide in the owner's place."
    )
    readers: tuple[str, ...] = Field(
        default=(),
        description="Reader names that hold for the owner beside everyone, 'group:NAME': what evidence they are "
        "shown; that of other documents goes to the source's steward.",
    )
    sponsor: str = Field(default="", description="Mail address of the sponsor, who may override a gate.")
    data_protection: str = Field(default="", description="Mail address of the data-protection contact.")


class ReleaseSection(Section):
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


class AnswersSection(Section):
    """By which rules a GPT answers; a change makes its next release a MAJOR one."""

    lose: Literal[2, 5, 10] = Field(
        default=5,
        description="Percent of the questions with an answer that may go without one; with more of them, fewer "
        "answers come where there is none. What confidence that takes is measured by the GPT's own documents.",
    )
    synonyms: tuple[tuple[SynonymWord, ...], ...] = Field(
        default=(),
        max_length=1000,
        description='Groups of words that stand for each other: [["MwSt", "Mehrwertsteuer", "VAT"]].',
    )
    prefer: tuple[str, ...] = Field(
        default=(),
        max_length=1000,
        description="Items that come first where they answer as well as others, 'SOURCE:ITEM_ID'.",
    )

    @model_validator(mode="after")
    def _groups_have_members(self) -> AnswersSection:
        for group in self.synonyms:
            if len({word.casefold() for word in group}) < 2:
                raise ValueError(f"synonyms: {list(group)} is no group of at least two words")
        return self


class ReviewSection(Section):
    """What agents may do by themselves."""

    heal: tuple[Heal, ...] = Field(
        default=(),
        description="What may be mended at night without asking: 'refresh_source' (list a source that failed whole), "
        "'reparse' (read documents in quarantine again), 'rebuild_index' (from what is stored). Empty: nothing. "
        "Each try is in the audit log, and comes ever more rarely.",
    )


class GptSection(Section):
    """One assistant."""

    title: str = Field(min_length=1, description="Name shown to people.")
    sources: tuple[str, ...] = Field(min_length=1, description="Names of the sources it answers from.")
    people: PeopleSection
    instructions: str = Field(
        default="", description="The assistant's own instructions, part of each release."
    )
    public: bool = Field(
        default=False,
        description="true: anybody may ask it without a key, through every door; only where every source is "
        "read by everyone.",
    )
    chat_tokens_per_day: int | None = Field(
        default=None,
        ge=0,
        description="Tokens a day (UTC) that its chat model may take, in and out; then sentences are quoted. "
        "Not set: no limit.",
    )
    answers: AnswersSection = Field(default=AnswersSection())
    release: ReleaseSection = Field(default=ReleaseSection())
    review: ReviewSection = Field(default=ReviewSection())


class ChatSection(Section):
    """How the chat model is reached, and how long it may take."""

    url: str = Field(
        default="",
        pattern=r"^(https?://.+)?$",
        description="Address of the provider, such as 'http://127.0.0.1:8080/v1'; empty: its own.",
    )
    api_key: SecretRef = Field(
        default="", description="Its key: 'env:NAME' or 'file:PATH'; empty: none is sent."
    )
    timeout_s: float = Field(
        default=20.0, gt=0, le=300, description="Longest wait for one answer with all its tries, in seconds."
    )
    retries: int = Field(
        default=2,
        ge=0,
        le=10,
        description="Further tries after 429, 5xx or no connection, with growing pauses.",
    )
    max_tokens: int = Field(
        default=1200,
        ge=100,
        le=32_000,
        description="Most tokens of one answer, quotes and hidden thoughts included.",
    )
    failures: int = Field(
        default=5, ge=1, description="Failures in a row after which it is left alone for `pause_s`."
    )
    pause_s: float = Field(default=30.0, gt=0, description="How long it is left alone, in seconds.")
    price_in: float | None = Field(
        default=None,
        ge=0,
        description="Price of a million tokens sent, in the currency that you are billed in.",
    )
    price_out: float | None = Field(default=None, ge=0, description="Price of a million tokens written.")


class OidcSection(Section):
    """The company's identity provider; its people may ask with their tokens."""

    issuer: str = Field(pattern=r"^https?://.+", description="Issuer, as its tokens name it in `iss`.")
    audience: str = Field(min_length=1, description="What its tokens for kbm name in `aud`.")
    groups_claim: str = Field(
        default="groups", description="Claim with a person's groups: each gives the reader 'group:NAME'."
    )


class AccessSection(Section):
    """Who may ask over HTTP, and how much."""

    per_minute: int = Field(
        default=120, ge=1, description="Requests a minute where the key says no other number."
    )
    per_day: int = Field(
        default=20_000, ge=1, description="Requests a day where the key says no other number."
    )
    at_once: int = Field(
        default=32, ge=1, le=512, description="Requests worked on at once; more are told to come back (429)."
    )
    oidc: OidcSection | None = Field(
        default=None, description="`[access.oidc]`: tokens of an identity provider are taken as well as keys."
    )


class ReportSection(Section):
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
