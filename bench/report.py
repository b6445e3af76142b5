"""What a run leaves behind: a table to read and a JSON file per part."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.figures import Part

RESULTS = Path(__file__).parent / "results"
_VERSIONS = (
    "kbm",
    "numpy",
    "onnxruntime",
    "tokenizers",
    "chromadb",
    "llama-index-core",
    "llama-index-vector-stores-chroma",
    "unstructured",
    "pypdfium2",
    "bm25s",
)


def machine() -> dict[str, Any]:
    """Say on what the figures were measured: nothing that names the machine or a person."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "threads_per_library": os.environ.get("OMP_NUM_THREADS", "not set"),
        "versions": {name: _version(name) for name in _VERSIONS},
    }


def write(part: Part, *, quick: bool, took_s: float, folder: Path = RESULTS) -> Path:
    """Write a part's figures; a skipped part leaves an earlier file as it is."""
    path = folder / f"{part.name}.json"
    if part.skipped:
        return path
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "name": part.name,
        "date": datetime.now(UTC).date().isoformat(),
        "quick": quick,
        "took_s": round(took_s),
        "machine": machine(),
        "plain_way": part.plain_way,
        "figures": [
            {
                "name": one.name,
                "value": _short(one.value),
                "unit": one.unit,
                "plain": None if one.plain is None else _short(one.plain),
                "times_better": None if one.ratio is None else _short(one.ratio),
                "better": one.better,
            }
            for one in part.figures
        ],
        "notes": part.notes,
    }
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def show(parts: list[Part], console: Console) -> None:
    """Print one table of everything."""
    table = Table(title="kbm against the plain way", title_justify="left")
    table.add_column("part")
    table.add_column("figure")
    for title in ("kbm", "plain way", "times better"):
        table.add_column(title, justify="right")
    table.add_column("unit")
    for part in parts:
        if part.skipped:
            table.add_row(part.name, f"skipped: {part.skipped}")
        for at, one in enumerate(part.figures):
            table.add_row(
                part.name if at == 0 else "",
                one.name,
                _text(one.value),
                "" if one.plain is None else _text(one.plain),
                "" if one.ratio is None else _text(one.ratio),
                one.unit,
            )
        table.add_section()
    console.print(table)
    for part in parts:
        if part.plain_way:
            console.print(f"[bold]{part.name}[/bold] plain way: {part.plain_way}", highlight=False)
        for note in part.notes:
            console.print(f"  {note}", highlight=False)


def _text(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
