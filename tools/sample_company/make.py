"""Write the sample company into kbm/demo/company, or check what is there.

python tools/sample_company/make.py            write all files
python tools/sample_company/make.py --check    verify golden questions, counts and size
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

# Run as a script, Python looks beside this file and not in the root of the checkout.
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tools.sample_company.samplegen.check import complaints
from tools.sample_company.samplegen.content import Page, read_page
from tools.sample_company.samplegen.erp import erp_files
from tools.sample_company.samplegen.mail import eml_bytes
from tools.sample_company.samplegen.office import pptx_bytes, xlsx_bytes
from tools.sample_company.samplegen.pdf import pdf_bytes
from tools.sample_company.samplegen.questions import log_lines
from tools.sample_company.samplegen.web import html_page, markdown, wiki_page
from tools.sample_company.samplegen.word import docx_bytes

HERE = Path(__file__).resolve().parent
CONTENT = HERE / "content"
COMPANY = HERE.parents[1] / "kbm" / "demo" / "company"
_BYTES = {
    ".docx": docx_bytes,
    ".pdf": pdf_bytes,
    ".xlsx": xlsx_bytes,
    ".pptx": pptx_bytes,
    ".eml": eml_bytes,
}


def documents() -> Iterator[tuple[str, bytes]]:
    """Yield path and bytes of every document that has a text in ``content/``."""
    pages = [read_page(path) for path in sorted(CONTENT.glob("pages/**/*.md"))]
    titles = {page.target: page.title for page in pages if page.target.startswith("wiki/")}
    for page in pages:
        if "attachment_of" not in page.extra:
            yield page.target, _rendered(page, titles)


def _rendered(page: Page, titles: Mapping[str, str]) -> bytes:
    if page.suffix in _BYTES:
        return _BYTES[page.suffix](page)
    if page.suffix == ".md":
        return markdown(page).encode()
    return (wiki_page(page, titles) if page.target.startswith("wiki/") else html_page(page)).encode()


def plain_files() -> Iterator[tuple[str, bytes]]:
    """Yield what is kept in ``content/`` exactly as it ships."""
    yield "kbm.toml", (CONTENT / "kbm.toml").read_bytes()
    for path in sorted(CONTENT.glob("golden/*.csv")):
        yield f"golden/{path.name}", path.read_bytes()


def write() -> int:
    """Replace the shipped files by freshly written ones."""
    files = dict(plain_files()) | dict(documents()) | dict(erp_files(CONTENT / "erp"))
    files["questions/log.jsonl"] = "".join(log_lines(CONTENT / "questions")).encode()
    for name in ("dms", "erp", "wiki", "golden", "questions"):
        shutil.rmtree(COMPANY / name, ignore_errors=True)
    for name, data in files.items():
        path = COMPANY / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    print(f"wrote {len(files)} files, {sum(map(len, files.values())) / 1024:.0f} kB, to {COMPANY}")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="verify the files instead of writing them")
    if not parser.parse_args().check:
        return write()
    found = list(complaints(COMPANY, CONTENT))
    for line in found:
        print(line, file=sys.stderr)
    print(f"{len(found)} complaints")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
