"""Builds the wheels and sdists of all packages, and proves that the decoder's stands alone.

    python tools/wheels.py [FOLDER]

The decoder's wheel gets copies of its libraries (auditwheel). It is then installed into a clean
environment, where it decodes every format that they are for: with the system's own copies hidden,
where a mount namespace can be had, and in any case with nothing loaded from outside the wheel. The
package's tests of those libraries run there, too. Linux only; elsewhere plain wheels are built.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DECODE = ROOT / "packages" / "kithara-decode"
UV = shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")
LIBRARIES = ("FLAC", "mp3lame", "mpg123", "ogg", "opus", "opusfile", "sndfile", "vorbis",
             "vorbisenc", "vorbisfile")  # fmt: skip
NOTICES = {"vorbisenc": "vorbis", "vorbisfile": "vorbis"}  # one source, one notice
TESTS = ("flac", "mpg123", "ogg", "sndfile", "native_decoder", "scale")

MAKE = """
import sys, numpy, soundfile
tone = numpy.sin(numpy.arange(48000) / 20)[:, None] * [0.5, 0.25]
for name, subtype in (("a.wav", "PCM_16"), ("a.flac", "PCM_24"), ("a.ogg", "VORBIS"),
                      ("a.opus", "OPUS"), ("a.mp3", "MPEG_LAYER_III")):
    soundfile.write(f"{sys.argv[1]}/{name}", tone, 48000, subtype=subtype,
                    format="OGG" if name == "a.opus" else None)
"""
PROBE = """
import pathlib, sys
from kithara_decode import open_decoder
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    with path.open("rb") as file, open_decoder(file) as decoder:
        frames = sum(len(block) for block in decoder.blocks(4096))
        assert frames == decoder.frames == 48000, (path.name, frames, decoder.frames)
loaded = {line.split()[-1] for line in open("/proc/self/maps") if ".so" in line}
print(*sorted(loaded), sep="\\n")
"""


def run(*words: str | Path, **options: str) -> str:
    """Run a command and return what it printed; say what failed and end if it did."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    environment = {**os.environ, "PATH": path, **options}
    done = subprocess.run(
        [str(word) for word in words], cwd=ROOT, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, words[:4]))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def say(line: str) -> None:
    """Print a line."""
    sys.stdout.write(f"{line}\n")


def repair(folder: Path) -> Path:
    """Put copies of the libraries into the decoder's wheel; return the new wheel."""
    (plain,) = folder.glob("kithara_decode-*.whl")
    run("auditwheel", "repair", "--wheel-dir", folder, plain)
    if (wheels := [path for path in folder.glob("kithara_decode-*.whl") if path != plain]) == []:
        raise SystemExit("auditwheel found no library to copy")
    plain.unlink()
    return wheels[0]


def check_contents(wheel: Path, sdist: Path) -> None:
    """Every copied library has its licence and stands in the bill of materials."""
    archive = zipfile.ZipFile(wheel)
    names = archive.namelist()
    copied = {m[1] for name in names if (m := re.search(r"\.libs/lib(\w+)-[0-9a-f]+\.so", name))}
    if copied != set(LIBRARIES):
        raise SystemExit(f"the wheel holds {sorted(copied)}, not {sorted(LIBRARIES)}")
    (bill,) = (name for name in names if name.endswith(".cdx.json"))
    parts = [part["name"].lower() for part in json.loads(archive.read(bill))["components"]]
    for library in copied:
        notice = f"NOTICE-lib{NOTICES.get(library, library)}.txt"
        if not any(name.endswith(notice) for name in names):
            raise SystemExit(f"the wheel lacks {notice}")
        if not any(part.startswith(f"lib{library.lower()}") for part in parts):
            raise SystemExit(f"the wheel's bill of materials lacks lib{library}")
    if not any(name.endswith("LGPL-2.1.txt") for name in names):
        raise SystemExit("the wheel lacks the text of the LGPL")
    with tarfile.open(sdist) as source:
        held = {name.partition("/")[2] for name in source.getnames()}
    wanted = {str(path.relative_to(DECODE)) for path in (DECODE / "native").glob("*.[ch]")}
    if not {*wanted, "setup.py", "LICENSE", "licenses/LGPL-2.1.txt"} <= held:
        raise SystemExit("the sdist lacks sources or licences")


def check_alone(python: Path, media: Path) -> str:
    """Decode with the wheel alone; return how it was kept from the system's libraries."""
    shared = [
        path
        for top in ("/usr/lib", "/usr/local/lib", "/lib")
        for path in Path(top).rglob("lib*.so*")
        if re.match(rf"lib({'|'.join(LIBRARIES)})\.so", path.name) and not path.is_symlink()
    ]
    words: tuple[str | Path, ...] = (python, "-I", "-c", PROBE, media)
    hidden = "mount --bind /dev/null"
    script = "".join(f"{hidden} '{path}' && " for path in dict.fromkeys(shared)) + 'exec "$@"'
    allowed = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", "true"], capture_output=True, check=False
    )
    if allowed.returncode == 0:
        words = ("unshare", "-m", "sh", "-c", script, "sh", *words)
    loaded = run(*words).split()
    ours = re.compile(rf"lib({'|'.join(LIBRARIES)})[-.]")
    stray = [path for path in loaded if ours.match(Path(path).name) and ".libs/" not in path]
    if stray or not any("kithara_decode.libs/" in path for path in loaded):
        raise SystemExit(f"loaded from outside the wheel: {stray}")
    return f"{len(shared)} libraries of the system hidden" if len(words) > 5 else "nothing hidden"


def check_installed(wheel: Path, folder: Path) -> None:
    """Install the wheel into a clean environment and use it there."""
    with tempfile.TemporaryDirectory() as name:
        clean, media = Path(name) / "venv", Path(name) / "media"
        media.mkdir()
        pins = Path(name) / "pins.txt"
        run(UV, "export", "--frozen", "--quiet", "--no-hashes", "--no-emit-workspace",
            "--only-group", "test", "-o", pins)  # fmt: skip
        run(UV, "venv", "--quiet", "--python", sys.executable, clean)
        python = clean / "bin" / "python"
        run(UV, "pip", "install", "--quiet", "--python", python, "--find-links", folder,
            "--requirement", pins, f"kithara-decode[av,resample] @ {wheel.as_uri()}")  # fmt: skip
        run(python, "-I", "-c", MAKE, media)
        say(f"  decodes alone: {check_alone(python, media)}")
        tests = [DECODE / "tests" / f"test_{name}.py" for name in TESTS]
        said = run(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests)
        say(f"  its tests there: {said.strip().splitlines()[-1]}")


def main() -> None:
    """Build, repair, check."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "dist").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise SystemExit(f"{folder} is not empty; name another folder or empty it")
    run(UV, "build", "--all-packages", "--quiet", "--out-dir", folder)
    if sys.platform == "linux":
        wheel = repair(folder)
        say(wheel.name)
        (sdist,) = folder.glob("kithara_decode-*.tar.gz")
        check_contents(wheel, sdist)
        check_installed(wheel, folder)
    files = sorted(folder.glob("kithara*"))
    run("twine", "check", "--strict", *files)
    for path in files:
        say(f"{path.stat().st_size:>9,}  {path.name}")


if __name__ == "__main__":
    main()
