"""The house: which rooms there are, and what they may know of each other."""

from __future__ import annotations

import ast
import builtins
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
APP = ROOT / "app"
WIRING = {"container.py", "ports.py"}
"""Files of a room that may know `dependency_injector`."""
WIRES_TOO = {"application.py", "scheduling/schedule.py", "observability/graph.py"}


def modules() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(APP.rglob("*.py")):
        yield path.relative_to(APP), ast.parse(path.read_text())


def imported(tree: ast.Module) -> Iterator[str]:
    """The modules that a module imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            inner = (f"{node.module}.{alias.name}" for alias in node.names)
            yield from (name for name in inner if _is_module(name) and not _is_exported(name))
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def _is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return name.startswith("app.") and (path.is_dir() or path.with_suffix(".py").is_file())


def _is_exported(module: str) -> bool:
    """Whether a room names this file of its own among what others may use."""
    room, _, name = module.rpartition(".")
    init = ROOT.joinpath(*room.split("."), "__init__.py")
    return f'"{name}",' in init.read_text()


def room_of(module: str) -> str:
    """'app.fleet' of 'app.fleet.model'; parts of reporting and cluster are rooms of their own."""
    parts = module.split(".")
    is_in_parts = parts[1:2] in (["cluster"], ["reporting"])
    inner = is_in_parts and APP.joinpath(parts[1], "".join(parts[2:3])).is_dir()
    return ".".join(parts[: 3 if inner else 2])


def test_rooms_and_little_else_stand_in_the_hall() -> None:
    files = {path.name for path in APP.iterdir() if path.suffix == ".py"}

    assert files == {"__init__.py", "__main__.py", "application.py", "tasks.py"}


def test_a_room_says_what_it_is() -> None:
    for init in APP.rglob("__init__.py"):
        if init.parent != APP:
            assert ast.get_docstring(ast.parse(init.read_text())), init


def test_others_import_from_a_room_and_not_from_its_files() -> None:
    inside = [
        f"{path}: {module}"
        for path, tree in modules()
        for module in imported(tree)
        if module.startswith("app.") and module.count(".") >= 2
        if room_of(module) != room_of(f"app.{'.'.join(path.with_suffix('').parts)}")
        if room_of(module) != module
    ]

    assert inside == []


def test_only_containers_build_what_lives_long() -> None:
    others = [
        str(path)
        for path, tree in modules()
        if any(module.split(".")[0] == "dependency_injector" for module in imported(tree))
        if path.name not in WIRING and str(path) not in WIRES_TOO
    ]

    assert others == []


def test_only_settings_read_the_environment() -> None:
    others = [
        str(path)
        for path, tree in modules()
        for node in ast.walk(tree)
        if (isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv"))
        or (isinstance(node, ast.alias) and node.name in ("environ", "getenv"))
        if path.parts[0] != "settings"
    ]

    assert others == []


@pytest.mark.parametrize(
    ("importing", "forbidden"),
    [
        ("fleet/model.py", "app.vens"),
        ("openadr/errors.py", "app.fleet"),
        ("vtn/store.py", "app.readings"),
        ("reporting/streams/model.py", "app.reporting.delivery"),
        ("ops/health.py", "containers"),
    ],
)
def test_a_forbidden_import_is_found(tmp_path: Path, importing: str, forbidden: str) -> None:
    shutil.copytree(APP, tmp_path / "app", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "containers.py"):
        shutil.copy(ROOT / name, tmp_path)
    with (tmp_path / "app" / importing).open("a") as file:
        file.write(f"\nimport {forbidden}\n")

    checked = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert checked.returncode == 1, checked.stdout
    assert "BROKEN" in checked.stdout
    assert f"-> {forbidden}" in checked.stdout


def test_the_errors_of_a_room_stand_in_one_file_with_what_a_caller_does() -> None:
    kinds = {name: kind for name, kind in vars(builtins).items() if isinstance(kind, type)}
    errors = {name for name, kind in kinds.items() if issubclass(kind, BaseException)}
    errors |= {"HTTPError", "LocationValueError", "OutOfTime"}  # urllib3's
    classes = [
        (path, node)
        for path, tree in modules()
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    ]
    found: dict[str, Path] = {}
    while new := {
        node.name: path
        for path, node in classes
        if node.name not in found
        and any(isinstance(base, ast.Name) and base.id in errors for base in node.bases)
    }:
        found |= new
        errors |= new.keys()

    assert len(found) > 30
    for name, path in found.items():
        assert path.name == "errors.py", f"{name} stands in {path}"
        tree = ast.get_docstring(ast.parse((APP / path).read_text())) or ""
        assert name in tree, f"{path} does not say what a caller does about {name}"
