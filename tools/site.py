"""Builds the documentation into a folder: guides, READMEs, and the reference from the docstrings.

    python tools/site.py [FOLDER]

The pages need no network, but for a search that runs in the browser they need no script either.
A link that leads nowhere, and a public name without a docstring, are errors.
"""

import importlib
import os
import re
import shutil
import sys
from functools import partial
from pathlib import Path
from types import ModuleType

import pdoc.doc
import pdoc.render

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)([^)\s]+)")


def prose(name: str, page: Path) -> pdoc.doc.Module:
    """A page of Markdown, as pdoc takes it: a module that has a docstring and nothing else."""
    module = ModuleType(name, page.read_text(encoding="utf-8"))
    module.__dict__.update(__docformat__="markdown", __all__=())
    return pdoc.doc.Module(module)


def reference(package: Path) -> pdoc.doc.Module:
    """A package with its README in place of the docstring's one line."""
    module = importlib.import_module(package.name.replace("-", "_"))
    module.__doc__ = (package / "README.md").read_text(encoding="utf-8")
    return pdoc.doc.Module(module)


def undocumented(module: pdoc.doc.Module) -> list[str]:
    """The public classes, functions, methods and properties that no docstring tells about."""
    found, spaces = [], [*module.members.values()]
    while spaces:
        member = spaces.pop()
        own = member.name == "__init__" or not member.name.startswith("_")
        if isinstance(member, pdoc.doc.Class):
            spaces += member.own_members
        told = (
            member.docstring or member.name == "__init__" or isinstance(member, pdoc.doc.Variable)
        )
        if own and not told:
            found.append(member.fullname)
    return found


class Site:
    """Pages by the files that they are made of, and the files that they link to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sources = {
            ROOT / "README.md": "index",
            ROOT / "CONTRIBUTING.md": "contributing",
            ROOT / "examples" / "README.md": "examples",
        }
        for guide in sorted((ROOT / "docs").glob("*.md")):
            self.sources[guide] = "guides" if guide.stem == "README" else f"guides.{guide.stem}"
        self.modules = {name: prose(name, page) for page, name in self.sources.items()}
        for package in sorted((ROOT / "packages").iterdir()):
            module = reference(package)
            self.modules[module.fullname] = module
            self.sources[package / "README.md"] = module.fullname

    def write(self) -> None:
        """Write every page, what they link to, and the index of the search."""
        for source, name in self.sources.items():
            module = self.modules[name]
            module.docstring = LINK.sub(partial(self.link, source), module.docstring)
        for name, module in self.modules.items():
            page = self.folder / page_of(name)
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(pdoc.render.html_module(module, self.modules), encoding="utf-8")
        search = pdoc.render.search_index(self.modules)
        (self.folder / "search.js").write_text(search, encoding="utf-8")

    def link(self, source: Path, found: re.Match[str]) -> str:
        """A link of a file in the repository as a link between pages; others are copied."""
        target, _, place = found[1].partition("#")
        path = (source.parent / target).resolve()
        readme = path / "README.md" if path.is_dir() else path
        if readme in self.sources:
            there = page_of(self.sources[readme])
        elif path.is_file():
            there = str(path.relative_to(ROOT))
            (self.folder / there).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, self.folder / there)
        else:
            raise SystemExit(f"{source.relative_to(ROOT)}: {target} leads nowhere")
        relative = os.path.relpath(there, Path(page_of(self.sources[source])).parent)
        return f"{relative}#{place}" if place else relative


def page_of(name: str) -> str:
    """Where a module's page lies in the folder."""
    return name.replace(".", "/") + ".html"


def stand_in_for_typeshed() -> None:
    """Give pdoc the names that exist for type checkers only, so that it shows them."""
    module = ModuleType("_typeshed")
    for name in ("ReadableBuffer", "StrPath", "WriteableBuffer"):
        setattr(module, name, type(name, (), {"__module__": "_typeshed"}))
    sys.modules["_typeshed"] = module


def main() -> None:
    """Build it."""
    stand_in_for_typeshed()
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "site").resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    pdoc.render.configure(
        docformat="google", show_source=False, template_directory=ROOT / "docs" / "style"
    )
    site = Site(folder)
    if missing := [name for module in site.modules.values() for name in undocumented(module)]:
        raise SystemExit(f"without a docstring: {', '.join(sorted(missing))}")
    site.write()
    sys.stdout.write(f"{len(site.modules)} pages: {folder / 'index.html'}\n")


if __name__ == "__main__":
    main()
