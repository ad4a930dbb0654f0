"""Markdown pages that serve the repository and the site alike.

In the repository, links lead to files. On the site, those to a page at the root or to the source of a gallery have to
lead to a page of the site, and a line "See [README.md](../README.md)." becomes that very page.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
AT_THE_ROOT = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changes.md"}
PAGE = re.compile(r"^See \[\w+\.md\]\(\.\./(\w+\.md)\)\.$", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")
GALLERY = re.compile(r"docs/(\w+)/(?:(plot_\w+)\.py|GALLERY_HEADER\.rst)")


def on_the_site(path: str) -> str:
    """The source of the page for a file; the file itself where there is none. Both are paths from the root."""
    if path in AT_THE_ROOT:
        return f"docs/{AT_THE_ROOT[path]}"
    gallery = GALLERY.fullmatch(path)
    return f"docs/auto_{gallery[1]}/{gallery[2] or 'index'}.rst" if gallery else path


def with_links_to_the_site(text: str, written_in: str, shown_in: str) -> str:
    """Its links are relative to the folder it was written in; they become relative to the one of its page."""

    def link(found: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(written_in, found[1]))
        return f"]({posixpath.relpath(on_the_site(path), shown_in)}"

    return LINK.sub(link, text)


def adapt(app: Sphinx, page: str, source: list[str]) -> None:
    path = Path(app.env.doc2path(page))
    if path.suffix != ".md":
        return
    folder = path.parent.relative_to(ROOT).as_posix()
    texts = PAGE.split(source[0])
    for k in range(0, len(texts), 2):
        texts[k] = with_links_to_the_site(texts[k], folder, folder)
    for k in range(1, len(texts), 2):
        file = ROOT / texts[k]
        app.env.note_dependency(str(file))
        texts[k] = with_links_to_the_site(file.read_text(encoding="utf-8"), "", folder)
    source[0] = "".join(texts)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("source-read", adapt)
    return {"parallel_read_safe": True}
