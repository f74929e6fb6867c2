from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from kithara_decode._shim import lib


def test_without_the_c_extension_the_import_says_what_to_install() -> None:
    program = """
import sys
sys.modules["kithara_decode._native"] = None
import kithara_decode
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert answer.returncode == 1
    last = answer.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: the C extension of kithara-decode cannot be loaded")
    assert "libmpg123-dev" in last


def test_the_statuses_differ() -> None:
    formats = {"KD_FLOAT32", "KD_FLOAT64", "KD_INT16", "KD_INT32"}
    statuses = {name for name in dir(lib) if name.startswith("KD_")} - formats
    for names, least in ((formats, 4), (statuses, 9)):
        assert len({getattr(lib, name) for name in names}) == len(names) >= least


def test_the_extension_is_one_for_all_versions_of_python() -> None:
    from kithara_decode import _native

    file = getattr(_native, "__file__", "")
    if sys.platform != "win32":
        assert Path(file).name.endswith(".abi3.so")
