"""Have a chat model write the answer, and let through only what its passages prove.

The model gets the passages this caller may read and nothing else: no tools, no other documents, no memory. What it
writes is text, read as data, so the worst that an instruction hidden in a document can do is spoil the wording of an
answer to somebody who may read that document. Passages are lines of JSON: no text can end its own string.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import structlog

from kbm.domain.answers import Passage
from kbm.domain.chat import (
    EXTRACTIVE,
    WITHOUT_MODEL,
    Message,
    Price,
    Prompt,
    Role,
    Usage,
    estimated_tokens,
)
from kbm.domain.identity import Digest
from kbm.domain.language import guess_language
from kbm.domain.written import Written
from kbm.errors import KbmError
from kbm.services.budget import Budget
from kbm.services.chat import ChatCalls
from kbm.services.retrieve import Retrieved

if TYPE_CHECKING:
    from kbm.domain.grounding import Judged, Source

log = structlog.get_logger()

SENTENCES_ASKED = 6
SENTENCES_READ = 12
"""A model that writes more is not listened to any longer."""

_LANGUAGES = {"de": "German", "en": "English", "fr": "French"}


class Writing:
    """One answer as it is written. What it cost is known when ``sentences`` has ended, in whichever way."""

    def __init__(self, model: str, prompt: Digest) -> None:
        self.model, self.prompt_digest = model, prompt
        self.problem = ""
        self.cost: float | None = None
        self.n_tokens = 0
        self.n_withheld = 0
        self.n_reserved = 0
        self.says_none = False
        self._calls: ChatCalls | None = None
        self._messages: Sequence[Message] = ()
        self._sources: Sequence[Source] = ()
        self._question = ""
        self._price = Price()

    def refuse(self, why: str) -> Writing:
        """Write nothing, and say why."""
        self.problem = WITHOUT_MODEL + why
        return self

    def prepare(
        self,
        calls: ChatCalls,
        messages: Sequence[Message],
        sources: Sequence[Source],
        question: str,
        price: Price,
    ) -> None:
        """Set what ``sentences`` needs."""
        self._calls, self._messages, self._sources = calls, messages, sources
        self._question, self._price = question, price

    def sentences(self) -> Iterator[Judged]:
        """Give every sentence that holds, as soon as it is whole. Never raises for what a provider does."""
        if self._calls is None:
            return
        from kbm.domain.grounding import judge

        written, usage, n_chars, n_read = Written(), None, 0, 0
        pieces = self._calls.stream(self._messages)
        begun, said = False, set[str]()
        try:
            for piece in pieces:
                begun = True
                usage = piece.usage or usage
                n_chars += len(piece.text)
                for claim in written.feed(piece.text):
                    n_read += 1
                    judged = judge(claim, self._sources, self._question)
                    if judged.fault is None and judged.sentence not in said:
                        said.add(judged.sentence)
                        yield judged
                    elif judged.fault is not None:
                        self.n_withheld += 1
                        log.info("sentence_withheld", fault=judged.fault.name.lower())
                if n_read >= SENTENCES_READ:
                    break
            written.end()
            if n_read == 0 and not written.none:
                self.problem = f"{WITHOUT_MODEL}{self.model} answered in another form than asked for"
        except KbmError as error:
            log.warning("answer_not_written", model=self.model, why=error.code)
            self.problem = WITHOUT_MODEL + str(error)
        finally:
            pieces.close()  # type: ignore[attr-defined]  # a generator
            self.says_none = written.none
            if begun:
                self._spent(usage, n_chars)

    def _spent(self, usage: Usage | None, n_chars: int) -> None:
        """Count tokens; estimated where the provider did not count, or the call did not reach its end."""
        if usage is None:
            n_in = sum(estimated_tokens(one.text) for one in self._messages)
            usage = Usage(n_in=n_in, n_out=estimated_tokens("x" * n_chars))
        self.n_tokens = usage.total
        self.cost = self._price.of(usage)


class Generate:
    """The step of answering with what it needs; models are made when they are first asked for.

    *chat* is what ``kbm.toml`` allows. A release that was built for another model of the same provider asks that
    model; for another provider, nobody: its address and key are not configured, and a person may have meant that.
    """

    def __init__(
        self,
        *,
        chat: str,
        calls: Callable[[str], ChatCalls],
        prompts: Callable[[], Mapping[Digest, Prompt]],
        budget: Budget,
        price: Price,
    ) -> None:
        self._chat, self._calls, self._prompts = chat, calls, prompts
        self._budget, self._price = budget, price

    def begin(self, found: Retrieved, passages: Sequence[Passage], title: str) -> Writing:
        """Prepare an answer from *passages*. Never raises for what is missing: the writing says it."""
        spec = found.release.answer_spec
        writing = Writing(spec.chat, Digest(spec.prompt))
        if self._chat == EXTRACTIVE:
            return writing.refuse(f"the release asks for {spec.chat}, kbm.toml for none")
        if self._chat.partition(":")[0] != spec.chat.partition(":")[0]:
            return writing.refuse(f"the release asks for {spec.chat}, kbm.toml for {self._chat}")
        prompt = self._prompts().get(writing.prompt_digest)
        if prompt is None:
            return writing.refuse("the prompt of the release is not known to this version of kbm")
        try:
            calls = self._calls(spec.chat)
        except KbmError as error:
            log.warning("chat_model_missing", model=spec.chat, why=error.code)
            return writing.refuse(str(error))
        messages = _messages(prompt, found, passages, title)
        wanted = sum(estimated_tokens(one.text) for one in messages) + calls.limits.max_tokens
        spent = self._budget.reserve(found.gpt, wanted)
        if spent:
            return writing.refuse(spent)
        writing.n_reserved = wanted
        from kbm.domain.grounding import (
            Source,
        )  # its patterns take a while; without a model nobody waits for them

        sources = [Source(one.text, " ".join((one.title, *one.section))) for one in passages]
        writing.prepare(calls, messages, sources, found.question, self._price)
        return writing

    def end(self, gpt: str, writing: Writing) -> None:
        """Give back what was set aside for an answer, once it is in the journal."""
        self._budget.release(gpt, writing.n_reserved)
        writing.n_reserved = 0


def _messages(prompt: Prompt, found: Retrieved, passages: Sequence[Passage], title: str) -> list[Message]:
    """Say rules and data apart from each other."""
    rules = prompt.filled(
        {
            "title": title,
            "language": _LANGUAGES.get(guess_language(found.question), "whichever it is"),
            "sentences": str(SENTENCES_ASKED),
            "instructions": found.release.answer_spec.instructions.strip() or "(nothing in particular)",
        }
    )
    lines: list[dict[str, int | str]] = [
        {"passage": n, "title": one.title, "section": " › ".join(one.section), "text": one.text}
        for n, one in enumerate(passages, start=1)
    ]
    lines.append({"question": found.question})
    data = "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    return [Message(role=Role.SYSTEM, text=rules), Message(role=Role.USER, text=data)]
