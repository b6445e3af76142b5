"""Run the bench: ``python -m bench [NAME…] [--quick]``."""

from __future__ import annotations

import argparse
import gc
import importlib
import logging
import sys
import time

import structlog
from rich.console import Console

from bench.figures import Part
from bench.report import show, write

PARTS = {
    "embedding": "bench.embedding",
    "parsing": "bench.parsing",
    "chunking": "bench.chunking",
    "quality": "bench.quality",
    "ask": "bench.asking",
    "index": "bench.indexing",
    "year": "bench.year",
    "serving": "bench.serving",
    "gaps": "bench.gaps",
}
WIDTH = 130
"""Columns of the table where no terminal says otherwise."""


def main() -> None:
    """Measure the parts named, or all."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure kbm against the plain way.")
    parser.add_argument(
        "parts", nargs="*", metavar="NAME", help=f"what to measure: {', '.join(PARTS)}; all if none"
    )
    parser.add_argument("--quick", action="store_true", help="about two minutes instead of up to fifteen")
    chosen = parser.parse_args()
    unknown = sorted(set(chosen.parts) - set(PARTS))
    if unknown:
        parser.error(f"no part named {', '.join(unknown)}; there are {', '.join(PARTS)}")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    wide = None if sys.stdout.isatty() else WIDTH
    console, progress = Console(width=wide), Console(stderr=True)
    found: list[Part] = []
    for name in chosen.parts or PARTS:
        progress.print(f"measuring {name} …", highlight=False)
        started = time.perf_counter()
        for part in importlib.import_module(PARTS[name]).run(quick=chosen.quick):
            found.append(part)
            write(part, quick=chosen.quick, took_s=time.perf_counter() - started)
        gc.collect()
    show(found, console)


if __name__ == "__main__":
    main()
