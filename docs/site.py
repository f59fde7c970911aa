"""mkdocs' hook: the pages of the root and the files that pages link to join the site, and a page of the public names.

The pages stay as they are read in a repository, where README.md lies above docs/.
"""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import anomdet

ROOT = Path(__file__).parents[1]
HOME = "index.md"
ROOT_PAGES = {"README.md": HOME, "CONTRIBUTING.md": "CONTRIBUTING.md", "CHANGELOG.md": "CHANGELOG.md"}
ROOT_PAGES |= {"SECURITY.md": "SECURITY.md"}
API = "api.md"
_LINK = re.compile(r"(\]\()([^)#\s]+)(#[^)]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for name, place in ROOT_PAGES.items():
        files.append(File.generated(config, place, abs_src_path=str(ROOT / name)))
    files.append(File.generated(config, API, content=_public_names()))
    linked = {
        _target(match[2], page) for page in _pages() for match in _LINK.finditer(page.read_text(encoding="utf-8"))
    }
    known = {ROOT / name for name in ROOT_PAGES}
    for path in sorted(path for path in linked - known if path.is_file() and not path.is_relative_to(ROOT / "docs")):
        files.append(File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links as they are in the repository to links as they are in the site, where docs/ is the root."""
    source = page.file.src_uri
    root_name = next((name for name, place in ROOT_PAGES.items() if place == source), None)
    path = ROOT / root_name if root_name else ROOT / "docs" / source

    def moved(match: re.Match[str]) -> str:
        target = _target(match[2], path)
        if "://" in match[2] or not target.is_relative_to(ROOT):
            return match[0]
        inside = target.relative_to(ROOT).as_posix()
        return f"{match[1]}{ROOT_PAGES.get(inside, inside.removeprefix('docs/'))}{match[3] or ''})"

    return _LINK.sub(moved, markdown)


def _pages() -> list[Path]:
    return [*(ROOT / name for name in ROOT_PAGES), *sorted((ROOT / "docs").glob("*.md"))]


def _target(link: str, page: Path) -> Path:
    return (page.parent / link).resolve()


def _public_names() -> str:
    names = "".join(f"::: anomdet.{name}\n\n" for name in anomdet.__all__ if not name.startswith("_"))
    return f"# Public names\n\nWhat `import anomdet` gives; [how to use it](python.md).\n\n{names}"
