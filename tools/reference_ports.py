"""The reference page of the ports, made from their source."""

from __future__ import annotations

import ast
import inspect
import types
from collections.abc import Sequence

from kbm import ports
from kbm.domain import documents, identity, sync
from tools.markdown import HEAD, from_docstring, page

NOUNS: tuple[tuple[types.ModuleType, str], ...] = (
    (sync, "Ref"),
    (sync, "Gone"),
    (sync, "Failed"),
    (sync, "Mark"),
    (documents, "Blob"),
    (documents, "ParsedDocument"),
    (documents, "ElementKind"),
    (documents, "Element"),
    (documents, "Chunk"),
)


def extension_points() -> str:
    """Describe the ports, and the nouns they speak of."""
    source = inspect.getsource(ports)
    tree = ast.parse(source)
    parts = [
        HEAD.format(source="kbm/ports.py and kbm/domain"),
        "# Ports",
        from_docstring(ast.get_docstring(tree) or ""),
    ]
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            parts += _port(node, source.splitlines())
    parts += [
        "## What the ports speak of",
        f"`EVERYONE` is {documents.EVERYONE!r}. " + from_docstring(_ids()),
    ]
    for module, name in NOUNS:
        parts += _noun(inspect.getsource(getattr(module, name)))
    return page(parts)


def _port(node: ast.ClassDef, lines: Sequence[str]) -> list[str]:
    parts = [f"## `{node.name}`", from_docstring(ast.get_docstring(node) or "")]
    for at, statement in enumerate(node.body):
        if isinstance(statement, ast.AnnAssign):
            follows = node.body[at + 1] if at + 1 < len(node.body) else None
            said = _text_of(follows)
            parts.append(f"- `{ast.unparse(statement)}`" + (f": {from_docstring(said)}" if said else ""))
        elif isinstance(statement, ast.FunctionDef):
            head = lines[statement.lineno - 1 : statement.body[0].lineno - 1]
            signature = "\n".join(line.removeprefix("    ") for line in head).rstrip(": ")
            parts += [f"```python\n{signature}\n```", from_docstring(ast.get_docstring(statement) or "")]
    return parts


def _noun(source: str) -> list[str]:
    node = ast.parse(source).body[0]
    if not isinstance(node, ast.ClassDef):
        raise TypeError("a noun is a class")
    lines = source.splitlines()
    fields = [
        "\n".join(lines[one.lineno - 1 : one.end_lineno]).removeprefix("    ")
        for one in node.body
        if isinstance(one, ast.AnnAssign | ast.Assign)
    ]
    return [
        f"### `{node.name}`",
        from_docstring(ast.get_docstring(node) or ""),
        "```python\n" + "\n".join(fields) + "\n```",
    ]


def _ids() -> str:
    return (inspect.getdoc(identity) or "").partition("\n\n")[2]


def _text_of(node: ast.stmt | None) -> str:
    if (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ):
        return inspect.cleandoc(node.value.value)
    return ""
