"""Where things are, and what the packages are made of."""

from __future__ import annotations

import ast
import hashlib
import re
import subprocess
import sys
from importlib import import_module
from importlib.metadata import entry_points

import pytest

import kbm
from kbm import ports, registry
from tests.house.repository import PACKAGES, ROOT, files, project, shipped

HEAVY = ("chromadb", "unstructured", "llama_index", "sklearn", "onnxruntime", "torch", "fastapi", "uvicorn")
BUILT_IN = [
    (group, name, place)
    for group, listed in project()["project"]["entry-points"].items()
    for name, place in listed.items()
]


@pytest.mark.parametrize("root", ["connectors", "indexes", "agents"])
def test_a_source_root_is_no_package_and_tells_what_belongs_there(root: str) -> None:
    assert not (ROOT / root / "__init__.py").exists()
    assert (ROOT / root / "README.md").read_text(encoding="utf-8").strip()


def test_the_wheel_holds_the_four_packages() -> None:
    assert project()["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == list(PACKAGES)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_is_typed(package: str) -> None:
    assert (ROOT / package / "__init__.py").exists()
    assert (ROOT / package / "py.typed").exists()


@pytest.mark.parametrize(("group", "name", "place"), BUILT_IN)
def test_a_built_in_is_registered_and_loads(group: str, name: str, place: str) -> None:
    installed = {point.name: point.value for point in entry_points(group=group)}

    assert installed.get(name) == place, "installed metadata is old: run make setup"
    assert registry.load(group, name).__module__ == place.partition(":")[0]


def test_every_group_of_entry_points_is_known_to_the_registry_and_to_the_ports() -> None:
    groups = set(project()["project"]["entry-points"])

    assert groups == set(registry.GROUPS)
    assert set(re.findall(r"``(kbm\.\w+)``", ports.__doc__ or "")) >= groups


@pytest.mark.parametrize(
    ("group", "folder", "mark"),
    [
        ("kbm.connectors", "connectors/kbm_connectors", "kind"),
        ("kbm.parsers", "kbm/parsing", "media_types"),
    ],
)
def test_every_class_that_looks_like_a_built_in_is_one(group: str, folder: str, mark: str) -> None:
    """A connector or parser that was written but not registered would never run."""
    marked = {
        node.name
        for path in (ROOT / folder).glob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef)
        for part in node.body
        if isinstance(part, ast.AnnAssign)
        and ast.unparse(part.target) == mark
        and "ClassVar" in ast.unparse(part)
    }

    assert marked == {place.partition(":")[2] for one, _, place in BUILT_IN if one == group}


@pytest.mark.parametrize("module", ["kbm", "kbm.ports"])
def test_what_a_module_exports_is_there(module: str) -> None:
    made = import_module(module)

    assert len(set(made.__all__)) == len(made.__all__)
    assert [name for name in made.__all__ if not hasattr(made, name)] == []


def test_the_public_face_of_kbm_is_what_it_exports() -> None:
    public = {name for name, made in vars(kbm).items() if not name.startswith("_") and not _is_module(made)}

    assert public | {"__version__"} == set(kbm.__all__)


def test_the_version_is_told_once() -> None:
    assert kbm.__version__ == project()["project"]["version"]


def test_no_file_holds_two_topics() -> None:
    long = {
        str(path.relative_to(ROOT)): n
        for path in shipped()
        if (n := path.read_text(encoding="utf-8").count("\n")) > 400
    }

    assert long == {}, "at 400 lines ask which two topics a file holds"


def test_the_sample_company_is_small() -> None:
    company = ROOT / "kbm/demo/company"

    assert sum(path.stat().st_size for path in company.rglob("*") if path.is_file()) < 3_000_000


def test_the_command_line_starts_without_heavy_libraries() -> None:
    code = "import sys, kbm.entrypoints.cli.main\nprint(*{name.partition('.')[0] for name in sys.modules})"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert sorted(set(HEAVY).intersection(ran.stdout.split())) == []


def test_the_licence_is_the_plain_apache_licence() -> None:
    content = hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest()

    assert content == "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
    assert project()["project"]["license"] == "Apache-2.0"


def test_no_file_names_a_machine_or_a_package_index() -> None:
    # Put together here, so that this file does not name them either.
    places = [f"/{name}/" for name in ("work", "root", "home")]
    hosts = [".".join(("pypi", "org")), ".".join(("files", "pythonhosted", "org"))]
    patterns = [rf"(?<![\w.]){place}" for place in places] + [re.escape(host) for host in hosts]
    forbidden = re.compile("|".join(patterns))
    named = {
        str(path.relative_to(ROOT)): found[0]
        for path in files()
        if (found := forbidden.search(path.read_bytes().decode("utf-8", "replace")))
    }

    assert named == {}


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_a_lock_has_hashes_and_no_addresses(lock: str) -> None:
    lines = (ROOT / lock).read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if "==" in line and not line.startswith(" ")]

    assert pins
    assert [line for line in lines if "://" in line or line.startswith("--") or " @ " in line] == []
    assert [line for line in pins if not line.endswith("\\")] == []
    assert [line for line in pins if re.match(r"(torch|nvidia-|sentence-transformers)", line)] == []


def _is_module(made: object) -> bool:
    return type(made) is type(sys)
