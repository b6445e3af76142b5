"""Puts the sample company into a folder, and knows what to ask it."""

from __future__ import annotations

import os
import shutil
import time
from importlib.resources import as_file, files
from pathlib import Path

from kbm.config import CONFIG_NAME
from kbm.errors import UsageError

QUESTIONS = (
    ("offers", "Wie stark muss das Fundament für die KB 90 sein?"),
    ("offers", "Which cable replaces encoder cable 004716?"),
    ("hr", "Combien de jours de RTT par an à Saint-Aubry ?"),
)
"""One question in each language: (GPT, question)."""


USUAL_DAYS_OLD = 120
DAYS_OLD = {
    "dms/quality/VA-009_Lackierung.docx": 1_100,
    "dms/quality/VA-014_Reklamationen_v3.docx": 900,
    "dms/quality/VA-014_Reklamationen_v4.docx": 260,
    "dms/quality/WI-107_torque_settings.docx": 60,
    "dms/service/manuals/kb65/operating_manual_KB65.pdf": 500,
    "dms/hr/Staff_handbook_UK.pdf": 1_000,
}
"""How long ago each file was changed last: some are past the limit of their source, some superseded."""


def copy_company(folder: Path) -> int:
    """Copy the company's files into *folder*, keeping a data folder that is there; returns the number of files.

    Raises:
        UsageError: the folder holds something else.
    """
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file", hint="name a folder for the sample company")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / CONFIG_NAME).exists():
        raise UsageError(
            f"{folder} holds other files; nothing was changed",
            hint="name an empty or a new folder: kbm demo DIR",
        )
    with as_file(files("kbm.demo") / "company") as company:
        _copy(company, folder)
        return sum(1 for path in company.rglob("*") if path.is_file())


def _copy(company: Path, folder: Path) -> None:
    """Copy what is missing or differs, so that a second demo finds unchanged files; each gets its age."""
    now = time.time()
    for path in sorted(company.rglob("*")):
        target = folder / path.relative_to(company)
        if path.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        elif not target.exists() or target.read_bytes() != path.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            days = DAYS_OLD.get(path.relative_to(company).as_posix(), USUAL_DAYS_OLD)
            then = now - days * 86_400
            os.utime(target, (then, then))
