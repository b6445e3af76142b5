"""What goes over the wire. The names are a contract: see the design's section on contracts and docs/api.md."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from kbm.domain.answers import Answer, Passage, Verdict
from kbm.domain.filters import Filters
from kbm.domain.questions import MAX_QUESTION_CHARS
from kbm.services.document import ShownDocument
from kbm.services.retrieve import Retrieved


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FiltersIn(_In):
    """What to narrow a search to; a document without a date passes no filter by date."""

    sources: list[Annotated[str, Field(max_length=64)]] = Field(
        default_factory=list, max_length=100, description="Names of sources; empty for all."
    )
    modified_after: datetime | None = Field(default=None, description="Documents from this moment on.")
    modified_before: datetime | None = Field(default=None, description="Documents before this moment.")

    def read(self) -> Filters:
        """Give them as a search takes them."""
        return Filters(
            sources=frozenset(self.sources),
            modified_after=self.modified_after,
            modified_before=self.modified_before,
        )


class AskIn(_In):
    """A question."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"question": "Wie lange dauert der Referenzlauf der KB 40?", "user": "intranet"}]
        }
    )

    question: str = Field(
        description=f"The question, in German, English or French; at most {MAX_QUESTION_CHARS} characters.",
        examples=["Wie lange dauert der Referenzlauf der KB 40?"],
    )
    user: str | None = Field(
        default=None, max_length=200, description="A label for the log; never an identity."
    )
    release: str | None = Field(
        default=None, max_length=40, description="Ask this release, not the live one."
    )
    k: int | None = Field(default=None, ge=1, le=20, description="Passages to answer from; 3 if left out.")
    filters: FiltersIn = Field(default=FiltersIn(), description="Answer from these documents only.")


class SearchIn(_In):
    """A search."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"query": "Anzugsmoment M12", "k": 1}]})

    query: str = Field(description="Words or a question.", examples=["Anzugsmoment M12"])
    k: int = Field(default=10, ge=1, le=100, description="Most hits to give.")
    filters: FiltersIn = Field(default=FiltersIn(), description="Search these documents only.")


class FeedbackIn(_In):
    """What somebody thought of an answer."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"verdict": "helpful", "comment": "Found it at once."}]}
    )

    verdict: Verdict = Field(examples=["helpful"])
    comment: str | None = Field(default=None, max_length=4000)


class SentenceOut(BaseModel):
    """A sentence of the answer with the numbers of its citations."""

    text: str
    citations: list[int]


class OtherPlaceOut(BaseModel):
    """Another document that says the same."""

    document_id: str
    source: str
    item_id: str
    title: str
    url: str

    @classmethod
    def all_of(cls, passage: Passage) -> list[Self]:
        """List those of a passage."""
        return [
            cls(
                document_id=one.document_id,
                source=one.source,
                item_id=one.item_id,
                title=one.title,
                url=one.url,
            )
            for one in passage.also_in
        ]


class CitationOut(BaseModel):
    """A verbatim quote and where it stands."""

    n: int
    quote: str
    chunk_id: str
    document_id: str
    item_id: str
    title: str
    url: str
    source: str
    section: str
    page: int | None
    modified_at: datetime | None
    stale: bool
    also_in: list[OtherPlaceOut] = Field(default_factory=list, description="Documents that say the same.")


class AnswerOut(BaseModel):
    """An answer with its citations."""

    answer_id: str
    gpt: str
    release: str
    canary: bool = Field(default=False, description="Whether the release is one that only some get yet.")
    outcome: str = Field(description="answered, uncertain or unanswered.")
    cause: str | None = Field(description="Why not: no_source, no_fact, ungrounded or error.")
    confidence: float = Field(description="Estimated probability that the knowledge answers the question.")
    answer: str
    sentences: list[SentenceOut]
    citations: list[CitationOut]
    ai_generated: bool = True
    notice: str
    degraded: list[str] = Field(description="What did not work and was done without.")
    took_ms: int
    withheld: int = Field(default=0, description="Sentences of the chat model that failed a check.")
    model: str = Field(default="", description="The chat model that worded it; empty: quoted sentences.")
    prompt_digest: str = Field(default="", description="Names the rules that the chat model was given.")
    tokens: int = Field(default=0, description="Tokens of chat models, in and out.")
    cost: float | None = Field(default=None, description="What they cost, where a price is configured.")

    @classmethod
    def of(cls, answer: Answer) -> Self:
        """Say an answer in the words of the contract."""
        return cls(
            answer_id=answer.id,
            gpt=answer.gpt,
            release=answer.release,
            canary=answer.canary,
            outcome=answer.outcome,
            cause=answer.cause,
            confidence=answer.confidence,
            answer=answer.text,
            sentences=[SentenceOut(text=one.text, citations=list(one.citations)) for one in answer.sentences],
            citations=[
                CitationOut(
                    n=one.n,
                    quote=one.quote,
                    chunk_id=one.passage.chunk_id,
                    document_id=one.passage.document_id,
                    item_id=one.passage.item_id,
                    title=one.passage.title,
                    url=one.url,
                    source=one.passage.source,
                    section=" › ".join(one.passage.section),
                    page=one.passage.page,
                    modified_at=one.passage.modified,
                    stale=one.passage.stale,
                    also_in=OtherPlaceOut.all_of(one.passage),
                )
                for one in answer.citations
            ],
            notice=answer.notice,
            degraded=list(answer.degraded),
            took_ms=answer.took_ms,
            withheld=answer.withheld,
            model=answer.model,
            prompt_digest=answer.prompt_digest,
            tokens=answer.tokens,
            cost=answer.cost,
        )


class HitOut(BaseModel):
    """A passage that was found."""

    chunk_id: str
    document_id: str
    item_id: str
    source: str
    title: str
    url: str
    section: str
    page: int | None
    text: str
    score: float = Field(description="Orders the hits of one search; not comparable between searches.")
    also_in: list[OtherPlaceOut] = Field(default_factory=list, description="Documents that say the same.")

    @classmethod
    def of(cls, passage: Passage) -> Self:
        """Say a passage in the words of the contract."""
        return cls(
            chunk_id=passage.chunk_id,
            document_id=passage.document_id,
            item_id=passage.item_id,
            source=passage.source,
            title=passage.title,
            url=passage.url,
            section=" › ".join(passage.section),
            page=passage.page,
            text=passage.text,
            score=passage.score,
            also_in=OtherPlaceOut.all_of(passage),
        )


class SearchOut(BaseModel):
    """Hits, best first."""

    release: str
    hits: list[HitOut]
    degraded: list[str]

    @classmethod
    def of(cls, found: Retrieved) -> Self:
        """Say a search in the words of the contract."""
        return cls(
            release=str(found.release.version),
            hits=[HitOut.of(passage) for passage in found.passages],
            degraded=list(found.degraded),
        )


class Noted(BaseModel):
    """That feedback was written down."""

    status: str = "noted"


class GptOut(BaseModel):
    """An assistant and what answers for it now."""

    gpt: str
    title: str
    release: str | None
    published_at: datetime | None


class GptsOut(BaseModel):
    """All assistants."""

    gpts: list[GptOut]


class DocumentOut(BaseModel):
    """A document as a release holds it."""

    document_id: str
    source: str
    item_id: str
    title: str
    url: str = Field(description="Its page here, for a reader.")
    original_url: str = Field(description="Where its source shows it; empty if that is not on the web.")
    author: str
    modified_at: datetime | None = Field(description="As of this release, like title, author and text.")
    text: str
    releases: dict[str, str] = Field(description="The release this text is of, by GPT.")

    @classmethod
    def of(cls, shown: ShownDocument) -> Self:
        """Say a document in the words of the contract."""
        version = shown.version
        return cls(
            document_id=version.document_id,
            source=version.source,
            item_id=version.item_id,
            title=version.title,
            url=shown.url,
            original_url=shown.original_url,
            author=version.author,
            modified_at=version.modified,
            text=shown.text,
            releases=shown.releases,
        )


class Health(BaseModel):
    """Whether the service answers, and what is live."""

    status: str
    version: str
    releases: dict[str, str | None]


class Problem(BaseModel):
    """An error (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    hint: str
