"""Each package builds, installs alone into a clean environment, and keeps its README's word."""

import os
import subprocess
import sys
import tarfile
import wave
import zipfile
from pathlib import Path

import pytest

from workspace import PACKAGES, ROOT, Package, python_blocks

UV = os.environ.get("UV", "uv")

INSTALLS = [[package.name] for package in PACKAGES if package.name != "kithara"] + [
    ["kithara-net", "kithara-storage"],
    ["kithara[av,encode,play,resample]"],
]


def run(*words: str | Path, cwd: Path = ROOT) -> str:
    done = subprocess.run(
        list(map(str, words)), cwd=cwd, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheels and sdists of all packages; each wheel is built from its sdist."""
    folder = tmp_path_factory.mktemp("dist")
    run(UV, "build", "--all-packages", "--quiet", "--out-dir", folder)
    return folder


@pytest.fixture(scope="module")
def pins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The third-party versions of the lock file."""
    path = tmp_path_factory.mktemp("pins") / "constraints.txt"
    run(UV, "export", "--frozen", "--quiet", "--no-hashes", "--no-emit-workspace",
        "--no-emit-project", "--no-header", "--no-annotate", "-o", path)  # fmt: skip
    return path


@pytest.mark.timeout(400)
@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_wheel_and_sdist_hold_what_they_should(package: Package, dist: Path) -> None:
    stem = f"{package.module}-{package.project['version']}"
    (wheel,) = dist.glob(f"{stem}-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert f"{package.module}/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    with tarfile.open(dist / f"{stem}.tar.gz") as sdist:
        assert f"{stem}/README.md" in sdist.getnames()
    assert not any("tests/" in name for name in names)
    tops = {name.partition("/")[0] for name in names}
    command = {"_kithara"} if package.name == "kithara" else set()
    assert {top for top in tops if not top.endswith((".dist-info", ".libs"))} == {
        package.module,
        *command,
    }
    metadata = zipfile.ZipFile(wheel).read(f"{stem}.dist-info/METADATA").decode()
    assert "License-Expression: MIT OR Apache-2.0" in metadata
    assert "Requires-Python: >=3.11" in metadata
    assert package.section("Public contract").strip() in metadata  # the README, for the index
    assert wheel.stat().st_size < 400_000


@pytest.mark.timeout(400)
def test_the_decoder_is_one_wheel_for_every_python_and_names_its_licences(dist: Path) -> None:
    (wheel,) = dist.glob("kithara_decode-*.whl")
    assert "-cp311-abi3-" in wheel.name
    licences = [name for name in zipfile.ZipFile(wheel).namelist() if "/licenses/" in name]
    for library in ("mpg123", "sndfile"):
        assert any(library in name.lower() for name in licences), library


@pytest.mark.timeout(400)
@pytest.mark.parametrize("names", INSTALLS, ids="+".join)
def test_it_installs_alone_and_its_example_runs(
    names: list[str], dist: Path, pins: Path, tmp_path: Path
) -> None:
    venv = tmp_path / "venv"
    run(UV, "venv", "--quiet", "--python", sys.executable, venv)
    python = venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    run(UV, "pip", "install", "--quiet", "--python", python, "--find-links", dist,
        "--constraint", pins, *names)  # fmt: skip
    wanted = {name.partition("[")[0] for name in names}
    installed = run(UV, "pip", "list", "--quiet", "--python", python, "--format", "freeze")
    ours = {line.partition("==")[0] for line in installed.splitlines() if "kithara" in line}
    assert ours == with_needs(wanted)
    empty = tmp_path / "empty"
    empty.mkdir()
    examples = [e for package in PACKAGES if package.name in wanted for e in package.examples]
    if wanted == {"kithara-net", "kithara-storage"}:
        examples.append(python_blocks(ROOT / "README.md")[1])  # the two composed
    for example in examples:
        run(python, "-W", "error", "-c", example, cwd=empty)
    if "kithara" in wanted:
        use_everything(python, empty)


def use_everything(python: Path, folder: Path) -> None:
    """The command, and what each extra brings, in an environment that has nothing else."""
    command = python.with_name("kithara")
    assert run(command, "--version").split() == ["kithara", PACKAGES[0].project["version"]]
    with wave.open(str(folder / "a.wav"), "wb") as wav:
        wav.setparams((1, 2, 8000, 0, "NONE", ""))
        wav.writeframes(b"\0\x40\0\xc0" * 4000)
    options = ("--rate", "16000", "--channels", "2")
    told = run(command, "decode", folder / "a.wav", "-o", folder / "a.flac", *options)
    assert "16000 frames, 0:01, 16000 Hz, 2 channels" in told
    run(python, "-W", "error", "-c", "import av, sounddevice", cwd=folder)


def with_needs(names: set[str]) -> set[str]:
    """The packages named and those of ours that they need, and no others."""
    needs = {
        package.name: {
            requirement.partition(">=")[0]
            for requirement in package.project["dependencies"]
            if requirement.startswith("kithara")
        }
        for package in PACKAGES
    }
    while more := set().union(*(needs[name] for name in names)) - names:
        names = names | more
    return names
