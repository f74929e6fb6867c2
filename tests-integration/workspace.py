"""Facts about the packages of this workspace, read from their files."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Package:
    """One published package."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def module(self) -> str:
        return self.name.replace("-", "_")

    @property
    def project(self) -> dict[str, Any]:
        text = (self.folder / "pyproject.toml").read_text(encoding="utf-8")
        facts: dict[str, Any] = tomllib.loads(text)["project"]
        return facts

    def section(self, title: str) -> str:
        """The README's text under a heading of the second level."""
        readme = (self.folder / "README.md").read_text(encoding="utf-8")
        parts = re.split(r"^## (.+)$", readme, flags=re.MULTILINE)
        return dict(zip(parts[1::2], parts[2::2], strict=True)).get(title, "")

    @property
    def contract(self) -> list[str]:
        """The names that the README's contract leads its bullets with."""
        leads = re.findall(
            r"^- ((?:`[^`]+`(?:, )?)+):", self.section("Public contract"), re.MULTILINE
        )
        return [name for lead in leads for name in re.findall(r"`(\w+)[^`]*`", lead)]

    @property
    def examples(self) -> list[str]:
        """The README's Python blocks, in order."""
        return python_blocks(self.folder / "README.md")


def python_blocks(readme: Path) -> list[str]:
    """The Python blocks of a Markdown file, in order."""
    text = readme.read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


PACKAGES = [Package(path.parent) for path in sorted(ROOT.glob("packages/*/pyproject.toml"))]
