"""Puts the packages of this folder where Python finds them, as an installer would, without a network."""

import importlib
import shutil
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent


@contextmanager
def installed(*packages: str, into: Path) -> Iterator[None]:
    """Install packages into a directory on `sys.path`, with the metadata that entry points are found by."""
    for package in packages:
        _install(HERE / package, into)
    sys.path.insert(0, str(into))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(into))
        for path in into.glob("*.py"):
            sys.modules.pop(path.stem, None)
        importlib.invalidate_caches()


def _install(source: Path, into: Path) -> None:
    described = tomllib.loads((source / "pyproject.toml").read_text())
    project = described["project"]
    for module in described["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]:
        shutil.copy(source / module, into / module)
    metadata = into / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    sections = [
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
        for group, points in project["entry-points"].items()
    ]
    (metadata / "entry_points.txt").write_text("\n".join(sections))
