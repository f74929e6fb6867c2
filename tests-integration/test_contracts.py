"""What every package promises on paper is what it has."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from workspace import PACKAGES, ROOT, Package

every_package = pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)


def test_the_workspace_has_the_eight_packages() -> None:
    layers = ("assets", "decode", "file", "hls", "net", "storage", "stream")
    assert [p.name for p in PACKAGES] == ["kithara", *(f"kithara-{name}" for name in layers)]
    typed = ROOT / "tests-integration" / "typed"  # never run: mypy reads them, as users' programs
    assert sorted(path.stem for path in typed.glob("*.py")) == list(layers)


@every_package
def test_the_readme_lists_exactly_the_public_names(package: Package) -> None:
    module = importlib.import_module(package.module)
    assert isinstance(module.__all__, tuple)
    assert len(set(module.__all__)) == len(module.__all__)
    for name in module.__all__:
        assert hasattr(module, name)
    assert sorted(package.contract) == sorted(module.__all__)


@every_package
def test_the_package_has_its_papers(package: Package) -> None:
    for name in ("README.md", "CHANGELOG.md", f"src/{package.module}/py.typed"):
        assert (package.folder / name).is_file()
    assert (package.folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
    for section in ("Public contract", "Example", "Errors"):
        assert package.section(section).strip(), f"the README has no section {section!r}"


@every_package
def test_all_versions_are_one_and_siblings_are_bounded(package: Package) -> None:
    version = PACKAGES[0].project["version"]
    assert package.project["version"] == version
    major, minor = map(int, version.split(".")[:2])
    bound = f">={major}.{minor},<{major}.{minor + 1}"
    extras = package.project.get("optional-dependencies", {})
    for requirement in [*package.project["dependencies"], *(r for e in extras.values() for r in e)]:
        if requirement.startswith("kithara"):
            assert re.sub(r"^[\w-]+(\[\w+\])?", "", requirement) == bound


@every_package
def test_only_the_package_itself_is_public(package: Package) -> None:
    """Modules are private, but for a package `testing` that its README describes."""
    source = package.folder / "src" / package.module
    public = {p.stem for p in source.iterdir() if not p.name.startswith(("_", "py.typed"))}
    assert public <= {"testing"}
    assert not public or "testing" in (package.folder / "README.md").read_text(encoding="utf-8")


@every_package
def test_the_examples_of_the_readme_run(package: Package, tmp_path: Path) -> None:
    assert package.examples
    for example in package.examples:
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", example],
            cwd=tmp_path, capture_output=True, text=True, timeout=50, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


def test_every_file_is_short_enough_to_read() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in ROOT.glob("packages/*/src/**/*.py")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert long == {}
