"""A report as Markdown, HTML and JSON.

Titles, item ids and error texts come from documents and sources: they are data, shown as they are, never markup.
The HTML needs nothing from elsewhere and holds no script, so that mail programs and browsers show it alike.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from html import escape

from kbm.domain.report import Findings, Report, report_id
from kbm.domain.sync import Json
from kbm.services.reason_words import findings_in
from kbm.services.report_texts import Section, first_lines, sections_of, subject_of, words_of

_STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those that turn the direction of writing."""
_STYLE = """\
:root{color-scheme:light dark;--ink:#1d2125;--quiet:#5b6570;--line:#d5dae0;--page:#fff}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ec;--quiet:#9aa5b1;--line:#3a424b;--page:#16191d}}
body{margin:2rem auto;max-width:60rem;padding:0 1rem;font:16px/1.5 system-ui,sans-serif;color:var(--ink);
background:var(--page)}
h1{font-size:1.3rem}h2{font-size:1.05rem;margin-top:2rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.35rem 1rem}dt{color:var(--quiet)}dd{margin:0}
div{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{text-align:left;vertical-align:top;padding:.35rem .75rem .35rem 0;border-bottom:1px solid var(--line)}
th{color:var(--quiet);font-weight:600}td{overflow-wrap:break-word;max-width:24rem}li,dd{overflow-wrap:anywhere}
@media(max-width:36rem){dl{display:block}dd{margin:0 0 .6rem}}"""


def make_report(found: Findings, language: str) -> Report:
    """Put findings into words and pages; ``data`` keeps reasons as they were given, for programs."""
    words = words_of(language)
    told = findings_in(language, found)
    subject = _clean(subject_of(told, words))
    lines = tuple((label, _clean(said)) for label, said in first_lines(told, words))
    sections = [_cleaned(section) for section in sections_of(told, words)]
    return Report(
        id=report_id(found.day, found.job),
        language=language,
        subject=subject,
        lines=lines,
        markdown="\n".join(_markdown(subject, lines, sections, words["colon"])) + "\n",
        html="\n".join(_html(subject, lines, sections, language)) + "\n",
        data=_data(found, subject, lines, language),
    )


def pages_of(report: Report) -> dict[str, str]:
    """Give a report's pages by the ending of their file."""
    whole = json.dumps(report.data, ensure_ascii=False, indent=2) + "\n"
    return {"md": report.markdown, "html": report.html, "json": whole}


def _markdown(
    subject: str, lines: Sequence[tuple[str, str]], sections: Sequence[Section], colon: str
) -> Iterator[str]:
    yield f"# {_plain(subject)}"
    yield ""
    yield from (f"- **{label}**{colon}{_plain(said)}" for label, said in lines)
    for section in sections:
        yield from ("", f"## {_plain(section.heading)}")
        if section.lines:
            yield ""
            yield from (f"- {_plain(line)}" for line in section.lines)
        if section.rows:
            yield from ("", _row(section.columns), _row(["---"] * len(section.columns)))
            yield from (_row([_plain(cell) for cell in row]) for row in section.rows)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _html(
    subject: str, lines: Sequence[tuple[str, str]], sections: Sequence[Section], language: str
) -> Iterator[str]:
    yield f'<!doctype html>\n<html lang="{escape(language)}">\n<head>\n<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width,initial-scale=1">'
    yield '<meta name="color-scheme" content="light dark">'
    yield (
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'\">"
    )
    yield f"<title>{escape(subject)}</title>\n<style>\n{_STYLE}\n</style>\n</head>\n<body>\n<main>"
    yield f"<h1>{escape(subject)}</h1>\n<dl>"
    yield from (f"<dt>{escape(label)}</dt><dd>{escape(said)}</dd>" for label, said in lines)
    yield "</dl>"
    for section in sections:
        yield f"<h2>{escape(section.heading)}</h2>"
        if section.lines:
            yield "<ul>"
            yield from (f"<li>{escape(line)}</li>" for line in section.lines)
            yield "</ul>"
        if section.rows:
            heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in section.columns)
            # A table wider than a phone scrolls in its own box, which the keyboard must reach.
            yield f'<div tabindex="0" role="region" aria-label="{escape(section.heading)}"><table>'
            yield f"<thead><tr>{heads}</tr></thead>\n<tbody>"
            for row in section.rows:
                yield "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
            yield "</tbody></table></div>"
    yield "</main>\n</body>\n</html>"


def _data(found: Findings, subject: str, lines: Sequence[tuple[str, str]], language: str) -> dict[str, Json]:
    outcome = {0: "done", 3: "held"}.get(found.exit_code, "failed")
    first: dict[str, Json] = {
        "id": report_id(found.day, found.job),
        "subject": subject,
        "language": language,
        "outcome": outcome,
        "lines": [{"label": label, "text": said} for label, said in lines],
    }
    # Through JSON and back: dates become text, tuples lists.
    whole: dict[str, Json] = json.loads(json.dumps(asdict(found), default=lambda moment: moment.isoformat()))
    return {**first, **whole, "published": list(found.published)}


def _clean(text: str) -> str:
    return " ".join(_STEERS.sub("\N{REPLACEMENT CHARACTER}", text).split())


def _cleaned(section: Section) -> Section:
    return Section(
        heading=_clean(section.heading),
        lines=tuple(_clean(line) for line in section.lines),
        columns=section.columns,
        rows=tuple(tuple(_clean(cell) for cell in row) for row in section.rows),
    )


def _plain(text: str) -> str:
    """Escape what Markdown would read as markup, a table's border included."""
    return re.sub(r"([\\`*\[\]<>|#]|(?<!\w)_|_(?!\w))", r"\\\1", text)
