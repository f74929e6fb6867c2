"""Builds the C extension; everything else about the package stands in pyproject.toml."""

import os
import shlex
import subprocess
import sys

from setuptools import setup
from setuptools.command.build_ext import build_ext

LIBRARIES = ("libmpg123 >= 1.26", "sndfile >= 1.1", "flac >= 1.3", "vorbisfile", "opusfile")

MISSING = """
kithara-decode needs the headers of libmpg123, libsndfile, libFLAC, libvorbis and libopusfile:
  Debian: apt install pkg-config libmpg123-dev libsndfile1-dev libflac-dev libvorbis-dev \\
            libopusfile-dev
  Fedora: dnf install pkgconf mpg123-devel libsndfile-devel flac-devel libvorbis-devel \\
            opusfile-devel
  macOS:  brew install pkgconf mpg123 libsndfile flac libvorbis opusfile
What pkg-config said: {reason}
"""


def pkg_config(*options: str) -> list[str]:
    """Return what pkg-config, or the one that PKG_CONFIG names, answers for our libraries."""
    command = [os.environ.get("PKG_CONFIG", "pkg-config"), *options, *LIBRARIES]
    if sys.platform == "win32":
        command.append("--msvc-syntax")
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
    except FileNotFoundError as exc:
        raise SystemExit(MISSING.format(reason="pkg-config itself is not installed")) from exc
    except subprocess.CalledProcessError as exc:
        raise SystemExit(MISSING.format(reason=exc.stderr.strip())) from exc
    return shlex.split(answer.stdout)


class BuildWithLibraries(build_ext):
    """Asks pkg-config only when something is compiled: metadata and sdist need no library."""

    def build_extensions(self) -> None:
        """Add the libraries' flags to the one extension, then build it."""
        compile_args = pkg_config("--print-errors", "--cflags")
        link_args = pkg_config("--print-errors", "--libs")
        for extension in self.extensions:
            extension.extra_compile_args += compile_args
            extension.extra_link_args += link_args
        super().build_extensions()


setup(
    cffi_modules=["native/build_native.py:ffibuilder"],
    cmdclass={"build_ext": BuildWithLibraries},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
