"""The house as DESIGN draws it: who imports whom, and how long files get."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "likeness"
TESTS = Path(__file__).parent

MAY_IMPORT = {
    "store": set(),
    "testbed": {"store"},
    "model": {"store"},
    "rewards": {"store"},
    "annotation": {"store"},
    "benchmark": {"model", "rewards", "annotation", "store"},
    "training": {"model", "rewards", "store"},
    "alignment": {"model", "rewards", "annotation", "store"},
    "dashboards": {
        "training",
        "alignment",
        "benchmark",
        "annotation",
        "rewards",
        "model",
        "testbed",
        "store",
    },
}
TORCH_FREE = ("store", "testbed")
TORCH = {"torch", "torchvision", "diffusers", "transformers", "peft", "accelerate", "safetensors"}
NAMELESS = {"core", "common", "utils", "util", "helpers", "helper", "misc", "base_utils"}
WRITTEN = {".py", ".js", ".css", ".html", ".toml"}
LONGEST_FILE = 300

MODULES = sorted(PACKAGE.rglob("*.py"))
OURS = [*MODULES, *sorted(TESTS.rglob("*.py"))]


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE.parent).as_posix()


def room_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "likeness" and len(parts) > 1 else None


def imports(path: Path) -> Iterator[str]:
    """Names of all modules a file imports, inside functions too."""
    package = path.relative_to(PACKAGE.parent).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def test_every_folder_has_a_place_in_the_table():
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert folders - {"cli"} <= MAY_IMPORT.keys()


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_go_downward(room):
    allowed = MAY_IMPORT[room] | {room}
    upward = {
        f"{name_of(path)} imports {module}"
        for path in MODULES
        if path.is_relative_to(PACKAGE / room)
        for module in imports(path)
        if room_of(module) not in {None, *allowed}
    }
    assert not upward


@pytest.mark.parametrize("room", TORCH_FREE)
def test_the_ground_is_free_of_torch(room):
    heavy = {
        f"{name_of(path)} imports {module}"
        for path in MODULES
        if path.is_relative_to(PACKAGE / room)
        for module in imports(path)
        if module.split(".")[0] in TORCH
    }
    assert not heavy


def test_pages_stay_in_their_room():
    elsewhere = {
        f"{name_of(path)} imports {module}"
        for path in MODULES
        if not path.is_relative_to(PACKAGE / "dashboards")
        for module in imports(path)
        if module.split(".")[0] in {"streamlit", "starlette", "uvicorn"}
    }
    assert not elsewhere


def test_files_are_short():
    long = {
        f"{name_of(path)}: {lines} lines"
        for path in PACKAGE.rglob("*")
        if path.suffix in WRITTEN and path.is_file()
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > LONGEST_FILE
    }
    assert not long


def test_every_module_is_named_after_an_idea():
    nameless = {name_of(path) for path in MODULES if path.stem in NAMELESS}
    nameless |= {name_of(path.parent) for path in MODULES if path.parent.name in NAMELESS}
    assert not nameless


def test_paths_do_not_stutter():
    stutters = {
        name_of(path)
        for path in MODULES
        if path.stem.startswith(f"{path.parent.name.rstrip('s')}_")
        or path.stem.endswith(f"_{path.parent.name.rstrip('s')}")
    }
    assert not stutters


def test_silenced_checks_say_why():
    bare = {
        f"{path.relative_to(TESTS.parent)}:{number}"
        for path in OURS
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if (found := re.search(r"#\s*noqa:?((?:\s*[A-Z]+\d+,?)*)(.*)", line))
        if not found[1].strip() or len(found[2].strip(" -:#")) < 10
        if "re.search" not in line
    }
    assert not bare
