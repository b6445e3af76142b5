"""Write a page as Markdown, as a plain HTML page, or as a page of the wiki export with its breadcrumbs."""

from __future__ import annotations

import os.path
from collections.abc import Mapping
from html import escape
from pathlib import PurePosixPath

from .content import Block, Page, bold_runs

_STYLE = (
    "body{font-family:Arial,sans-serif;max-width:50em;margin:2em auto}"
    "td,th{border:1px solid #999;padding:.3em}"
)


def markdown(page: Page) -> str:
    meta = "".join(f"{key}: {value}  \n" for key, value in page.meta)
    return f"# {page.title}\n\n" + (meta + "\n" if meta else "") + page.body


def html_page(page: Page) -> str:
    head = "".join(f"<p><b>{escape(key)}:</b> {escape(value)}</p>\n" for key, value in page.meta)
    return (
        f'<!DOCTYPE html>\n<html lang="{page.language}">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{escape(page.title)}</title>\n"
        f'<meta name="author" content="{escape(page.author)}">\n<style>{_STYLE}</style>\n</head>\n<body>\n'
        f"<h1>{escape(page.title)}</h1>\n{head}{html_blocks(page)}</body>\n</html>\n"
    )


def wiki_page(page: Page, titles: Mapping[str, str]) -> str:
    """Render a page of the wiki export; *titles* maps the target of every wiki page to its title."""
    here = PurePosixPath(page.target).parent
    crumbs = [f'<a href="{os.path.relpath("wiki/index.html", here)}">Keller Wiki</a>']
    parent = page.extra.get("parent")
    if parent:
        crumbs.append(f'<a href="{os.path.relpath(parent, here)}">{escape(titles[parent])}</a>')
    trail = "".join(f"<li><span>{crumb}</span></li>" for crumb in crumbs)
    body = html_blocks(page)
    if page.target == "wiki/index.html":
        body += _tree(titles)
    if "attachment" in page.extra:
        file = page.extra["attachment"]
        link = os.path.relpath(file, here)
        body += (
            f'<h2>Anhänge</h2>\n<ul><li><a href="{link}">{escape(PurePosixPath(file).name)}</a></li></ul>\n'
        )
    return (
        f'<!DOCTYPE html>\n<html lang="{page.language}">\n<head>\n'
        f"<title>Keller Wiki : {escape(page.title)}</title>\n"
        f'<meta http-equiv="Content-Type" content="text/html; charset=UTF-8">\n</head>\n<body>\n'
        '<div id="page">\n<div id="main-header">\n'
        f'<div id="breadcrumb-section"><ol id="breadcrumbs">{trail}</ol></div>\n'
        f'<h1 id="title-heading"><span id="title-text">{escape(page.title)}</span></h1>\n</div>\n'
        f'<div id="content" class="view">\n<div class="page-metadata">{escape(page.author)}, '
        f"{page.written:%Y-%m-%d}</div>\n"
        f'<div id="main-content" class="wiki-content group">\n{body}</div>\n</div>\n'
        '<div id="footer" role="contentinfo"><p>Keller Maschinenbau, internes Wiki</p></div>\n'
        "</div>\n</body>\n</html>\n"
    )


def _tree(titles: Mapping[str, str]) -> str:
    links = (
        f'<li><a href="{os.path.relpath(target, "wiki")}">{escape(title)}</a></li>'
        for target, title in sorted(titles.items())
        if target != "wiki/index.html"
    )
    return '<h2>Seiten</h2>\n<ul class="page-tree">' + "\n".join(links) + "</ul>\n"


def html_blocks(page: Page) -> str:
    return "".join(_block(block) for block in page.blocks)


def _block(block: Block) -> str:
    if block.kind == "heading":
        return f"<h{block.level}>{_inline(block.text)}</h{block.level}>\n"
    if block.kind == "paragraph":
        return f"<p>{_inline(block.text)}</p>\n"
    if block.kind == "table":
        rows = (
            "<tr>" + "".join(f"<{tag}>{_inline(cell)}</{tag}>" for cell in row) + "</tr>"
            for row, tag in zip(block.rows, ["th"] + ["td"] * len(block.rows), strict=False)
        )
        return "<table>\n" + "\n".join(rows) + "\n</table>\n"
    if block.kind == "pagebreak":
        return "<hr>\n"
    tag = "ul" if block.kind == "bullets" else "ol"
    return f"<{tag}>\n" + "".join(f"<li>{_inline(item)}</li>\n" for item in block.items) + f"</{tag}>\n"


def _inline(text: str) -> str:
    return "".join(f"<b>{escape(run)}</b>" if bold else escape(run) for run, bold in bold_runs(text))
