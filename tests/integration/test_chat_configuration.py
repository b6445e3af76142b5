"""What ``kbm.toml`` says about chat models, and what a release keeps of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kbm.bootstrap import Kbm
from kbm.config import Settings, load_settings
from kbm.domain.chat import WITHOUT_MODEL, ChatAccess
from kbm.domain.versioning import Bump, between
from kbm.errors import ConfigError
from kbm.prompts import answer_prompt, prompts
from kbm.providers.chat import OpenAiChat
from kbm.sections import ChatSection
from kbm.services.retrieve import Caller
from kbm.testing.builders import ONE_FOLDER_TOML, settings
from kbm.testing.fakes import FakeChatModel, FakeClock, FakeConnector, FakeEmbedder, NoProgress
from tests.chat_replies import honest
from tests.integration.worded_company import PAGES, QUESTION, READERS, company


def with_chat(folder: Path, chat: str, section: ChatSection | None = None) -> Settings:
    made = settings(folder, chat=section or ChatSection())
    return made.model_copy(update={"kbm": made.kbm.model_copy(update={"chat": chat})})


def opened(made: Settings, chat: FakeChatModel | None = None) -> Kbm:
    connector = FakeConnector(items=dict(PAGES), readers=dict(READERS))
    return Kbm(made, clock=FakeClock(), connectors={"docs": connector}, embedder=FakeEmbedder(), chat=chat)


def copied(folder: Path) -> Path:
    with company(folder, FakeChatModel()):
        return folder


def toml(folder: Path, chat: str, more: str = "") -> Path:
    path = folder / "kbm.toml"
    path.write_text(ONE_FOLDER_TOML.replace("[sources.docs]", f'chat = "{chat}"\n{more}\n[sources.docs]'))
    return path


@pytest.mark.parametrize("chat", ["opnai:gpt", "gpt", "", ":", "anthropic:claude"])
def test_an_unknown_kind_of_model_names_the_kinds_there_are(tmp_path: Path, chat: str) -> None:
    with pytest.raises(ConfigError, match="extractive, llamaindex:MODEL, ollama:MODEL, openai:MODEL") as told:
        load_settings(toml(tmp_path, chat))
    assert "kbm.chat" in str(told.value)


def test_a_kind_needs_a_model(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="openai:MODEL"):
        load_settings(toml(tmp_path, "openai:"))


def test_a_key_is_never_written_into_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"chat\.api_key.*env:NAME"):
        load_settings(toml(tmp_path, "openai:gpt", '[chat]\napi_key = "sk-1"'))


def test_an_unknown_key_names_the_nearest_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'timeout_s'"):
        load_settings(toml(tmp_path, "openai:gpt", "[chat]\ntimeouts = 3"))


def test_a_library_that_is_not_installed_names_the_extra() -> None:
    class Absent(OpenAiChat):
        module = "llama_index.llms.absent"

    with pytest.raises(ConfigError) as told:
        Absent("gpt", ChatAccess())
    assert told.value.hint == "pip install 'kbm[openai]'"


def test_a_key_that_is_not_there_is_said_and_sentences_are_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    made = with_chat(copied(tmp_path), "openai:fake", ChatSection(api_key="env:NO_SUCH_KEY"))
    with opened(made) as kbm:
        answer = kbm.ask.run("helper", QUESTION, Caller())

        assert "NO_SUCH_KEY" in kbm.chat_models.problem
    assert answer.sentences
    assert "NO_SUCH_KEY" in answer.degraded[0]


@pytest.mark.parametrize(("chat", "asked"), [("openai:better", 1), ("extractive", 0), ("ollama:fake", 0)])
def test_a_release_asks_its_own_model_and_only_the_configured_provider(
    tmp_path: Path, chat: str, asked: int
) -> None:
    model = FakeChatModel(honest)
    with opened(with_chat(copied(tmp_path), chat), model) as kbm:
        answer = kbm.ask.run("helper", QUESTION, Caller())

    assert len(model.asked) == asked
    assert answer.model == ("openai:fake" if asked else "")
    if not asked:
        assert answer.degraded[0].startswith(f"{WITHOUT_MODEL}the release asks for openai:fake")


@pytest.mark.parametrize("chat", ["openai:better", "extractive"])
def test_another_model_is_a_major_release(tmp_path: Path, chat: str) -> None:
    with opened(with_chat(copied(tmp_path), chat)) as kbm:
        live = kbm.catalogue.releases.live("helper")
        made = kbm.build.run(kbm.gpt_to_build("helper"), NoProgress()).release

    assert live is not None
    assert between(live.version, made.version) is Bump.MAJOR
    assert (live.answer_spec.chat, live.answer_spec.prompt) == ("openai:fake", answer_prompt().digest)
    assert made.answer_spec.prompt == ("" if chat == "extractive" else answer_prompt().digest)


def test_a_prompt_that_this_version_does_not_have_is_not_replaced_by_another(tmp_path: Path) -> None:
    model = FakeChatModel(honest)
    with opened(with_chat(copied(tmp_path), "openai:fake"), model) as kbm:
        todo = kbm.gpt_to_build("helper")
        other = replace(todo, answer_spec=replace(todo.answer_spec, prompt="0" * 64))
        made = kbm.build.run(other, NoProgress()).release
        answer = kbm.ask.run("helper", QUESTION, Caller(), release=str(made.version))

    assert model.asked == []
    assert "prompt" in answer.degraded[0]


def test_a_prompt_that_was_shipped_stays_as_it_is() -> None:
    """Releases name it by its digest: a better prompt gets a file of its own, and a line here."""
    shipped = {"answer-1": "27d856ca38e60708", "paraphrase-1": "8ebc704649fbddc0"}

    assert {one.name: digest[:16] for digest, one in prompts().items()} == shipped
    assert answer_prompt().digest in prompts()
