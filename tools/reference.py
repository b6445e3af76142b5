"""Write the reference pages in ``docs/`` from the code they describe.

``python -m tools.reference`` writes them; ``--check`` changes nothing and fails when one is stale. The pages are made
from settings models, the command-line application, the source of the ports and the error classes, so a page cannot
say what the code does not. Nothing in them depends on the terminal, the machine or the Python version.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import tomllib
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from kbm import errors, sections
from kbm.domain import answers, documents
from kbm.entrypoints import openai_compat
from kbm.entrypoints.api import app as api
from tools.markdown import HEAD, choices, first_paragraph, from_docstring, page, table
from tools.reference_commands import commands
from tools.reference_ports import extension_points

ROOT = Path(__file__).resolve().parents[1]

UNITS = {"_s": "seconds", "_mb": "MB", "_ms": "milliseconds", "_chars": "characters"}
CHECKED_TEXTS = {
    "_reader": "reader",
    "_language": "language",
    "_duration": "duration",
    "_slug": "name",
}
SECTIONS: tuple[tuple[str, type[BaseModel]], ...] = (
    ("[kbm]", sections.KbmSection),
    ("[sources.NAME]", sections.SourceSection),
    ("[sources.NAME.brake]", sections.BrakeSection),
    ("[gpts.NAME]", sections.GptSection),
    ("[gpts.NAME.people]", sections.PeopleSection),
    ("[gpts.NAME.answers]", sections.AnswersSection),
    ("[gpts.NAME.release]", sections.ReleaseSection),
    ("[gpts.NAME.review]", sections.ReviewSection),
    ("[chat]", sections.ChatSection),
    ("[report]", sections.ReportSection),
    ("[access]", sections.AccessSection),
    ("[access.oidc]", sections.OidcSection),
)
HTTP_ONLY = (
    (
        "bad_request",
        "422",
        "The body or a parameter is not of the documented form; the detail names the field.",
    ),
    (
        "body_too_large",
        "413",
        f"The body is larger than {api.MAX_BODY_BYTES:,} bytes, or at `/v1/chat/completions` than "
        f"{openai_compat.MAX_BODY_BYTES:,}.",
    ),
    ("body_too_slow", "408", f"The body did not arrive within {api.BODY_WITHIN_S:.0f} s."),
    (
        "wrong_host",
        "421",
        "The service was called by a name that is not its own; call it by `kbm.public_url`.",
    ),
    ("no_such_route", "404", "There is no such address; see `/docs`."),
    ("wrong_method", "405", "The address is there, but takes another method."),
    ("http", "any other", "Anything else that the web framework refuses."),
    ("fault", "500", "A fault in kbm; the log of the service says more. Nothing was changed."),
)


def pages() -> dict[str, str]:
    """Make every page, by its name in ``docs/``."""
    return {
        "configuration.md": configuration(),
        "cli.md": commands(),
        "ports.md": extension_points(),
        "errors.md": failures(),
    }


def stale() -> list[str]:
    """Name the pages that differ from what the code says now."""
    return [
        name
        for name, text in pages().items()
        if not (path := ROOT / "docs" / name).exists() or path.read_text(encoding="utf-8") != text
    ]


# -- configuration -------------------------------------------------------------------------------------------


def configuration() -> str:
    """Describe ``kbm.toml``."""
    parts = [
        HEAD.format(source="kbm/sections.py and the connectors' settings"),
        "# kbm.toml",
        "kbm reads `kbm.toml` in the working directory, or the file that `--config FILE` or the variable "
        "`KBM_CONFIG` names. Relative paths in it start at its own folder. An unknown key, a value out of range "
        "or a source that does not exist stops every command before anything is done, with the file, the key, the "
        "value and the valid choices; `kbm check` tells the rest.",
        "Kinds of text: a **name** has 1 to 64 of `a-z`, `0-9`, `.`, `_` and `-` and starts and ends with a letter "
        "or digit; a **reader** is `everyone`, `group:NAME` or `user:NAME`; a **language** is one of "
        f"{choices(sections.LANGUAGES)}; a **duration** is a number and `h`, `d` or `w`, as in `36h` or `365d`.",
    ]
    parts.append(
        "`kbm.chat` knows `extractive` only; `kbm.languages` and `instructions` are part of a release, but do not "
        "change its answers yet."
    )
    for title, model in SECTIONS:
        parts += [f"## `{title}`", first_paragraph(model), _settings_table(model)]
    parts += [
        "## Keys of the connectors",
        "What `[sources.NAME]` takes besides the keys above depends on its `kind`. "
        "[connectors/README.md](../connectors/README.md) shows them at work.",
    ]
    for kind, model in _connector_models():
        parts += [f'### `kind = "{kind}"`', first_paragraph(model), _settings_table(model)]
        for name, nested in _nested(model):
            parts += [f"#### `[sources.NAME.{name}]`", first_paragraph(nested), _settings_table(nested)]
    parts += [
        "## Environment variables",
        table(
            ("variable", "meaning"),
            [
                ("`KBM_CONFIG`", "The configuration file, when `--config` is not given."),
                ("`KBM_LOG`", "What is logged to stderr: `DEBUG`, `INFO`, `WARNING` (default) or `ERROR`."),
                ("`KBM_LOG_FORMAT`", "`json` writes one JSON object a line instead of readable text."),
            ],
        ),
    ]
    return page(parts)


def _settings_table(model: type[BaseModel]) -> str:
    rows = []
    for name, field in model.model_fields.items():
        unit = next((word for suffix, word in UNITS.items() if name.endswith(suffix)), "")
        meaning = field.description or first_paragraph(_model_in(field.annotation))
        rows.append((f"`{name}`", _kind(field), _default(field), unit, meaning))
    return table(("key", "type", "default", "unit", "meaning"), rows)


def _kind(field: FieldInfo) -> str:
    annotation: Any = field.annotation
    # Pydantic moves the outermost Annotated into the field's metadata.
    words = [CHECKED_TEXTS[name] for name in _check_names(field.metadata) if name in CHECKED_TEXTS]
    told = words[0] if words else _type_in_words(annotation)
    bounds = []
    for rule in field.metadata:
        for attribute, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<")):
            value = getattr(rule, attribute, None)
            if value is not None:
                bounds.append(f"{sign} {value}")
        if getattr(rule, "min_length", None):
            bounds.append("not empty" if rule.min_length == 1 else f"at least {rule.min_length} characters")
    return ", ".join([told, *bounds])


def _type_in_words(annotation: Any) -> str:
    """Say a type as a person who writes TOML would; types are what typing hands out, hence Any."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        words = [CHECKED_TEXTS[name] for name in _check_names(inner[1:]) if name in CHECKED_TEXTS]
        return words[0] if words else _type_in_words(inner[0])
    if origin in (Union, types.UnionType):
        return " or ".join(_type_in_words(one) for one in inner if one is not types.NoneType)
    if origin is dict:
        return "table"
    if origin is Literal:
        return "one of " + choices([repr(one).strip("'") for one in inner])
    if origin is tuple:
        return f"list of {_type_in_words(inner[0])}s"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "table"
    return {str: "text", int: "whole number", float: "number", bool: "true or false"}[annotation]


def _check_names(metadata: Sequence[Any]) -> Iterator[str]:
    for rule in metadata:
        checked = getattr(rule, "func", None)
        if checked is not None:
            yield checked.__name__


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**needed**"
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, BaseModel):
        return "see below"
    if value is None or value in ("", (), {}):
        return ""
    return (
        f"`{list(value)}`".replace("'", '"') if isinstance(value, tuple) else f"`{value!r}`".replace("'", '"')
    )


def _model_in(annotation: Any) -> type[BaseModel]:
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        raise TypeError(f"{annotation} needs a description in its Field")
    return annotation


def _nested(model: type[BaseModel]) -> list[tuple[str, type[BaseModel]]]:
    return [
        (name, field.annotation)
        for name, field in model.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    ]


def _connector_models() -> Iterator[tuple[str, type[BaseModel]]]:
    """Give the settings model of every built-in connector: the one its module, or the one beside it, defines."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for kind, place in sorted(project["entry-points"]["kbm.connectors"].items()):
        module = importlib.import_module(place.partition(":")[0])
        yield (
            kind,
            next(
                made
                for made in vars(module).values()
                if isinstance(made, type)
                and issubclass(made, BaseModel)
                and made.__module__ in (module.__name__, f"{module.__name__}_settings")
                and made.__name__.endswith("Settings")
            ),
        )


# -- errors --------------------------------------------------------------------------------------------------


def failures() -> str:
    """Describe every error, reason of quarantine, outcome and cause."""
    tree = (inspect.getdoc(errors) or "").split("\n\n")
    rows = [
        (
            f"`{made.code}`",
            f"`{made.__name__}`",
            str(made.exit_code),
            str(made.http_status),
            "yes" if made.retryable else "no",
            first_paragraph(made),
        )
        for made in vars(errors).values()
        if isinstance(made, type) and issubclass(made, errors.KbmError)
    ]
    return page(
        [
            HEAD.format(source="kbm/errors.py and kbm/domain"),
            "# Errors",
            from_docstring("\n\n".join(tree[2:])),
            f"```\n{tree[1]}\n```",
            "At the command line an error is one paragraph: what happened, what was kept, what to do. Over HTTP it "
            "is `application/problem+json` with `code`, `detail` and `hint`. *Repeat* says whether the same request "
            "may succeed later without anybody doing something.",
            table(("code", "class", "exit", "HTTP", "repeat", "meaning"), rows),
            "## Errors of the HTTP service alone",
            table(
                ("code", "HTTP", "meaning"), [(f"`{code}`", status, said) for code, status, said in HTTP_ONLY]
            ),
            "## Why a document is in quarantine",
            "One bad document never stops a run. It is left out under one of these reasons, `kbm sources` lists it, "
            "and `kbm sync --retry` tries it again; a changed document is tried again by itself.",
            _enum_table("reason", documents.Reason),
            "## Outcomes of a question",
            _enum_table("outcome", answers.Outcome),
            "An unanswered question has a cause:",
            _enum_table("cause", answers.Cause),
        ]
    )


def _enum_table(title: str, enum: type) -> str:
    """List the members of an enumeration with the remarks beside them."""
    members = re.findall(r'^    \w+ = "(\w+)"(?:  # (.*))?$', inspect.getsource(enum), flags=re.MULTILINE)
    return table((title, "meaning"), [(f"`{value}`", said) for value, said in members])


def main(arguments: Sequence[str]) -> int:
    """Write the pages, or check them."""
    if list(arguments) not in ([], ["--check"]):
        print("usage: python -m tools.reference [--check]", file=sys.stderr)
        return 2
    old = stale()
    if arguments:
        for name in old:
            print(f"docs/{name} is stale; run: python -m tools.reference", file=sys.stderr)
        return 1 if old else 0
    for name in old:
        (ROOT / "docs" / name).write_text(pages()[name], encoding="utf-8")
        print(f"wrote docs/{name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
