"""Writes the Python of READMEs and guides into a folder, for a type checker.

    python tools/snippets.py FOLDER

The blocks of a guide are one program, as the tests run them; each block of a README is its own.
"""

import sys
from pathlib import Path

from workspace import PACKAGES, ROOT, python_blocks


def main() -> None:
    """Write them."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.py"):
        old.unlink()
    for guide in sorted((ROOT / "docs").glob("*.md")):
        (folder / f"guide_{guide.stem}.py").write_text("\n".join(python_blocks(guide)))
    for readme in [ROOT / "README.md", *(package.folder / "README.md" for package in PACKAGES)]:
        for number, block in enumerate(python_blocks(readme)):
            name = f"readme_{readme.parent.name.replace('-', '_')}_{number}.py"
            (folder / name).write_text(block)


if __name__ == "__main__":
    main()
