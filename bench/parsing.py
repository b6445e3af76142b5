"""Documents parsed per second, format by format, through one warm worker process.

The plain way reads the same files in this process: ``unstructured.partition.auto`` (with language detection
off and its model download replaced by an empty pipeline, without which it does not run offline), and pypdfium2's
plain text for PDF, because unstructured's PDF support needs torch. It has no limits of time or memory, and of a
PDF it knows no headings, tables or columns. Files that either of the two refuses are left out of both.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from bench.documents import FORMATS, File, documents, one_worker, parse
from bench.figures import Part, interleave, percentile
from kbm.parsing import unstructured_adapter
from kbm.parsing.pool import ParsingPool

PLAIN = "unstructured.partition.auto in this process; pypdfium2 plain text for PDF"
ROUNDS = 3


def run(*, quick: bool) -> Iterator[Part]:
    """Measure; one figure per format."""
    part = Part("parsing", PLAIN)
    unstructured_adapter.warm_up()
    with documents() as found, one_worker() as pool:
        for name in FORMATS:
            _measure(
                part, name, [file for file in found if file.format == name], pool, 1 if quick else ROUNDS
            )
    yield part


def plain(file: File) -> object:
    """Read a file the plain way."""
    if file.format == "pdf":
        return _pdf_text(file.blob.data)
    from unstructured.partition.auto import partition

    # kbm ingests attachments as documents of their own, so they are not measured here.
    options = {"process_attachments": False} if file.format == "eml" else {}
    return partition(
        file=io.BytesIO(file.blob.data), metadata_filename=file.blob.name, languages=[""], **options
    )


def _pdf_text(data: bytes) -> list[str]:
    import pypdfium2

    # Any: the vendor ships no types.
    document: Any = pypdfium2.PdfDocument(data)
    try:
        return [page.get_textpage().get_text_bounded() for page in document]
    finally:
        document.close()


def _measure(part: Part, name: str, found: list[File], pool: ParsingPool, rounds: int) -> None:
    refused = [file for file in found if parse(pool, file) is None]
    plain_refused = [file for file in found if not _runs(partial(plain, file))]
    both = [file for file in found if file not in refused and file not in plain_refused]
    if not both:
        return
    ours_s = plain_s = 0.0
    for file in both:
        pair: tuple[Callable[[], object], Callable[[], object]] = (
            partial(parse, pool, file),
            partial(plain, file),
        )
        times = interleave([pair] * rounds)
        ours_s += percentile(times.ours, 50)
        plain_s += percentile(times.plain, 50)
    part.add(f"{name}, {len(both)} files", len(both) / ours_s, "documents/s", len(both) / plain_s)
    if refused or plain_refused:
        part.notes.append(
            f"{name}: left out {len(set(refused) | set(plain_refused))} of {len(found)} files:"
            f" {len(refused)} refused by kbm, {len(plain_refused)} by the plain way"
        )


def _runs(work: Callable[[], object]) -> bool:
    try:
        work()
    except Exception:
        # Any fault of the plain way counts as a refusal, whatever its type.
        return False
    return True
