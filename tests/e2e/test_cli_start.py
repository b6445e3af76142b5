"""How the command begins, and how Ctrl-C ends it before anything is begun."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.repository import project

TELLING = """
import sys
class Telling:
    def find_spec(self, name, *_):
        if name == sys.argv[1]:
            sys.meta_path.remove(self)
            sys.argv[1:] = ["sources"]
            print("importing", flush=True)
sys.meta_path.insert(0, Telling())
from kbm.entrypoints.cli.start import run
run()
"""


def started(module: str, folder: Path, *, ignoring: bool = False) -> subprocess.Popen[str]:
    """Start the command and wait until it imports *module*."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if ignoring else None
    try:
        child = subprocess.Popen(
            [sys.executable, "-c", TELLING, module],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
        )
    finally:
        if before is not None:
            signal.signal(signal.SIGINT, before)
    assert child.stdout is not None
    assert child.stdout.readline() == "importing\n"
    return child


@pytest.mark.parametrize(
    "module", ["kbm.entrypoints.cli.main", "typer", "pydantic", "kbm.bootstrap", "numpy"]
)
def test_an_interruption_while_libraries_are_imported_ends_in_one_line(tmp_path: Path, module: str) -> None:
    child = started(module, tmp_path)
    child.send_signal(signal.SIGINT)
    out, said = child.communicate(timeout=60)

    assert (child.returncode, out, said) == (130, "", "interrupted: nothing was begun\n")


def test_a_command_in_the_background_goes_on_when_ctrl_c_is_pressed(tmp_path: Path) -> None:
    child = started("typer", tmp_path, ignoring=True)
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=60)

    assert child.returncode == 2
    assert "kbm.toml" in said


def test_the_beginning_imports_the_standard_library_only() -> None:
    code = (
        f"import sys; sys.path[:] = {sys.path!r}\n"
        "import kbm.entrypoints.cli.start\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    run = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert set(run.stdout.split()) - set(sys.stdlib_module_names) <= {"kbm", "__main__"}


def test_the_installed_command_and_the_module_begin_there() -> None:
    import kbm.entrypoints.cli

    main = (Path(kbm.entrypoints.cli.__path__[0]).parents[1] / "__main__.py").read_text(encoding="utf-8")

    assert project()["project"]["scripts"] == {"kbm": "kbm.entrypoints.cli.start:run"}
    assert "kbm.entrypoints.cli.start import run" in main
