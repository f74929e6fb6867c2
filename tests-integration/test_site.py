"""The documentation builds without a warning; every link and every public name has its place."""

import importlib
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from workspace import PACKAGES, ROOT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / "tools" / "site.py"), str(folder)],
        capture_output=True, text=True, timeout=55, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def test_every_public_name_is_on_the_page_of_its_package(site: Path) -> None:
    for package in PACKAGES:
        text = (site / f"{package.module}.html").read_text(encoding="utf-8")
        for name in importlib.import_module(package.module).__all__:
            assert f'<section id="{name}">' in text, f"{package.module}.{name}"


def test_every_link_between_pages_leads_somewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) == len(PACKAGES) + len(list((ROOT / "docs").glob("*.md"))) + 3
    for page in pages:
        for target in re.findall(r'(?:href|src)="([^"]+)"', page.read_text(encoding="utf-8")):
            parts = urlsplit(target)
            if parts.scheme or not parts.path or "$" in target:  # the search fills those in
                continue
            there = page.parent / unquote(parts.path)
            assert there.is_file(), f"{page.relative_to(site)}: {target}"
            if parts.fragment and there.suffix == ".html":
                assert f'id="{parts.fragment}"' in there.read_text(encoding="utf-8"), target
