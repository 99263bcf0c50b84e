"""Packages with actions, installed into folders of their own that a process finds by its path."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "hookline-bell"
_UV = Path(sys.executable).parent / "uv"
_PROJECT = """
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "{package}"
version = "1.0.0"

[project.entry-points."hookline.actions"]
actions = "{module}:ACTIONS"

[tool.setuptools]
py-modules = ["{module}"]
"""


def install(target: Path, *projects: Path) -> Path:
    """Build the projects and install them into `target`, without the network and without what they depend on."""
    copies = target.parent / f"{target.name}-sources"
    for project in projects:  # a build leaves files in the folder it is made from
        shutil.copytree(project, copies / project.name)
    sources = [str(copies / project.name) for project in projects]
    command = [str(_UV), "pip", "install", "--quiet", "--offline", "--no-deps", "--no-build-isolation"]
    command += ["--python", sys.executable, "--target", str(target), *sources]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def write_project(folder: Path, package: str, source: str) -> Path:
    """A project of one module that gives ACTIONS."""
    module = package.replace("-", "_")
    project = folder / package
    project.mkdir(parents=True)
    (project / "pyproject.toml").write_text(_PROJECT.format(package=package, module=module))
    (project / f"{module}.py").write_text(source)
    return project


def path_with(*targets: Path) -> str:
    """A PYTHONPATH that also finds what is installed in these folders."""
    return os.pathsep.join(map(str, [*targets, *_present_path()]))


def _present_path() -> Iterable[str]:
    return filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
