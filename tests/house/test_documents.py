"""What the documents say is what the code does."""

from __future__ import annotations

import inspect
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel

from kbm import errors
from kbm.config import Settings
from kbm.domain.documents import Reason
from kbm.entrypoints.api import app as api
from kbm.entrypoints.api import limits, receipt_schemas, schemas, source_schemas
from kbm.entrypoints.cli.main import app
from tests.house.repository import ROOT, blocks, commands_in, documents, shipped
from tools import reference

README = (ROOT / "README.md").read_text(encoding="utf-8")
SHAPES: list[type[BaseModel]] = [
    schemas.AnswerOut,
    schemas.SearchOut,
    receipt_schemas.ReceiptOut,
    schemas.GptsOut,
    source_schemas.SourcesOut,
    schemas.DocumentOut,
    schemas.Health,
    schemas.Problem,
]


def test_the_reference_pages_are_current() -> None:
    assert reference.stale() == [], "run: python -m tools.reference"


def test_every_command_and_option_is_in_the_reference() -> None:
    page = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
    missing = []
    for name, command in _commands():
        section = page.partition(f"## `kbm {name}`\n")[2].partition("\n## ")[0]
        missing += [f"{name} {option}" for option in _options(command) if f"`{option}" not in section]
        missing += [] if section else [name]

    assert missing == []


def test_every_setting_is_in_the_reference_with_a_sentence() -> None:
    page = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    connectors = [model for _, model in reference._connector_models()]
    models = [model for _, model in reference.SECTIONS] + connectors
    models += [nested for model in connectors for _, nested in reference._nested(model)]
    missing = [
        f"{model.__name__}.{name}"
        for model in models
        for name in model.model_fields
        if not re.search(rf"^\| `{name}` \|.*\| [^|]+\.? \|$", page, re.MULTILINE)
    ]

    assert missing == []


def test_every_section_of_the_settings_is_in_the_reference() -> None:
    assert {model for _, model in reference.SECTIONS} == set(_sections(Settings)) - {Settings}


@pytest.mark.parametrize("path", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_that_documents_show_exist(path: Path) -> None:
    wrong = [call for call in commands_in(path.read_text(encoding="utf-8")) if not _exists(call)]

    assert wrong == []


def test_commands_that_messages_name_exist() -> None:
    """Hints and help texts must not send people to commands of a later version."""
    wrong = [
        f"{path.relative_to(ROOT)}: {call}"
        for path in shipped()
        for call in re.findall(r"`(kbm [^`{}\n]+)`", path.read_text(encoding="utf-8"))
        if not _exists(call)
    ]

    assert wrong == []


def test_the_readme_shows_the_two_commands_and_what_they_print() -> None:
    shown = "\n".join(blocks(README, "sh"))

    assert "make demo" in shown
    assert "make test" in shown
    assert re.search(r"<!-- demo: .*?-->\n```text\n.*\n```\n<!-- /demo -->", README, re.DOTALL)
    assert re.search(r"<!-- test: .*?-->\n```text\n.* passed.*\n```\n<!-- /test -->", README, re.DOTALL)


def test_the_readme_explains_every_reason_of_quarantine() -> None:
    assert re.findall(r"^\| `(\w+)` \| [^|]+ \| [^|]+ \|$", README, re.MULTILINE) == [
        str(reason) for reason in Reason
    ]


def test_toml_in_documents_is_valid_and_whole_files_load() -> None:
    for path in documents():
        for block in blocks(path.read_text(encoding="utf-8"), "toml"):
            read = tomllib.loads(block)
            if "kbm" in read:
                Settings.model_validate(read)


def test_answers_in_the_http_page_have_the_shape_of_the_service() -> None:
    page = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    shown = [json.loads(block) for block in blocks(page, "json")]
    shapes = [set(shape.model_fields) for shape in SHAPES]

    assert [one for one in shown if set(one) not in [*shapes, {"status"}]] == []
    assert [shape for shape in shapes if shape not in [set(one) for one in shown]] == []


def test_every_route_is_in_the_http_page() -> None:
    page = (ROOT / "docs/api.md").read_text(encoding="utf-8")
    source = (ROOT / "kbm/entrypoints/api/routes.py").read_text(encoding="utf-8")
    routes = re.findall(r'@router\.(get|post|put|delete)\("([^"]+)"', source)

    assert routes
    assert [f"{verb} {path}" for verb, path in routes if f"`{verb.upper()} {path}`" not in page] == []


def test_codes_of_the_http_service_are_in_the_reference() -> None:
    source = "".join(inspect.getsource(one) for one in (api, limits))
    own = set(re.findall(r'refusal\([^,]+,\s+\d+, "(\w+)"', source)) - set(_error_codes())
    told = {code for code, _, _ in reference.HTTP_ONLY}

    assert own | {"no_such_route", "wrong_method", "http"} == told
    assert [code for code in told if f'"{code}"' not in source] == []


def test_links_between_documents_lead_somewhere() -> None:
    broken = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in documents()
        for target in re.findall(r"\]\((?!https?://)([^)#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
        if not (path.parent / target).exists()
    ]

    assert broken == []


def _commands() -> Iterator[tuple[str, Any]]:
    """Give every command with its full name; Any because typer's classes differ between its versions."""

    def below(prefix: str, group: Any) -> Iterator[tuple[str, Any]]:
        for name, command in group.commands.items():
            yield f"{prefix}{name}", command
            if hasattr(command, "commands"):
                yield from below(f"{prefix}{name} ", command)

    return below("", typer.main.get_command(app))


def _error_codes() -> Iterator[str]:
    for one in vars(errors).values():
        if isinstance(one, type) and issubclass(one, errors.KbmError):
            yield one.code


def _options(command: Any) -> set[str]:
    return {spelled for one in command.params for spelled in one.opts if spelled.startswith("-")}


def _exists(call: str) -> bool:
    """Tell whether a shown call names a command with the options it has."""
    words = shlex.split(call, comments=True)[1:]
    if not words:
        return True
    command: Any = typer.main.get_command(app)
    allowed = _options(command) | {"--help"}
    rest: list[str] = []
    for at, word in enumerate(words):
        children = getattr(command, "commands", None)
        if word in {"|", ">", "&&", ";", "or", "[OPTIONS]"}:
            break
        if children and word in children and not rest:
            command = children[word]
            allowed = _options(command) | {"--help"}
        elif word.startswith("--"):
            if word.partition("=")[0] not in allowed:
                return False
        elif children and not (at and words[at - 1].startswith("--")):
            return False
        else:
            rest.append(word)
            rest = rest if not children else []
    return True


def _sections(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        for part in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from _sections(part)
