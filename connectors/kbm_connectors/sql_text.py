"""What can be told of a statement without running it: whether it is one query, and whether it gives an order.

No more than a courtesy to the person who writes it. What keeps a database from being changed is the read-only
connection, and an account without the right to.
"""

from __future__ import annotations

import re

_QUOTED = re.compile(
    r"""[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(?P<tag>[A-Za-z_]\w*|)\$.*?\$(?P=tag)\$|--[^\n]*""",
    re.DOTALL,
)
_COMMENT = re.compile(r"/\*|\*/")
_WRITES = re.compile(
    r"\b(?:insert\s+into|into|update\s+\S+\s+set|delete\s+from|merge\s+into|truncate|call|attach|pragma)\b",
    re.IGNORECASE,
)
_QUERY = re.compile(r"\s*\(*\s*(?:select|with|values|table)\b", re.IGNORECASE)
_ORDER = re.compile(r"\border\s+by\b", re.IGNORECASE)


def fault_in(statement: str) -> str:
    """Say why *statement* is not taken as the query of a source; empty when it is."""
    bare = _bare(statement)
    if bare is None or "'" in bare or '"' in bare:
        return "a quote or a comment in it does not end"
    if ";" in bare.rstrip().rstrip(";"):
        return "only one statement is taken"
    if not _QUERY.match(bare):
        return "only a query is taken: SELECT … or WITH … SELECT …"
    found = _WRITES.search(bare)
    return f"only a query is taken, and this would write: {found[0].split()[0].upper()}" if found else ""


def has_order(statement: str) -> bool:
    """Tell whether the statement itself says in which order its rows come."""
    bare = _bare(statement) or ""
    while (inner := re.sub(r"\([^()]*\)", " ", bare)) != bare:
        bare = inner
    return bool(_ORDER.search(bare))


def _bare(statement: str) -> str | None:
    """Give *statement* without its quoted texts and comments; None when one does not end."""
    found: list[str] = []
    at = 0
    while at < len(statement):
        if statement.startswith("/*", at):
            end = _comment_end(statement, at)
            if end is None:
                return None
            found.append(" ")
            at = end
            continue
        # E'…' is quoted in another way only where the E is a word of its own.
        word_before = at > 0 and (statement[at - 1].isalnum() or statement[at - 1] == "_")
        quoted = None if word_before and statement[at] in "eE$" else _QUOTED.match(statement, at)
        is_comment = statement.startswith("--", at)
        found.append(" " if is_comment else " x " if quoted else statement[at])
        at = quoted.end() if quoted else at + 1
    return "".join(found)


def _comment_end(statement: str, at: int) -> int | None:
    depth = 0
    for mark in _COMMENT.finditer(statement, at):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return mark.end()
    return None
