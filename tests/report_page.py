"""A page of `--report` as a tree, with what must hold for every such page."""

import html.parser
import re
from collections import Counter

from sklearn_l2._command.markup import visible

VOID = {"meta", "br", "hr", "img", "link", "input"}
DOCUMENT = "html head body meta title style main section h1 h2 h3 p div span strong ul li pre code".split()
FOLDED = "details summary".split()
TABLE = "table caption thead tbody tr th td figure figcaption".split()
SVG = "svg g defs path use text tspan image clippath rect".split()


class Page(html.parser.HTMLParser):
    """Fails where an element is not closed; keeps all elements as (tag, attributes, text)."""

    def __init__(self, source):
        super().__init__()
        self.elements, self.open, self.source = [], [], source
        self.feed(source)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        assert len({name for name, _ in attributes}) == len(attributes)
        element = [tag, dict(attributes), ""]
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, data):
        for element in self.open:
            element[2] += data

    def handle_comment(self, data):
        raise AssertionError(f"a comment: {data}")

    def all(self, tag):
        return [(attributes, text) for name, attributes, text in self.elements if name == tag]

    def texts(self, tag):
        return [text for _, text in self.all(tag)]

    def table(self, caption):
        """The rows of the table with that caption, cells as text: the header, then also those that are folded away."""
        rows, inside = [], False
        for tag, attributes, text in self.elements:
            if tag == "div":
                inside = attributes.get("aria-label") in (caption, f"{caption}, continued")
            elif inside and tag == "tr":
                rows.append([])
            elif inside and tag in ("th", "td"):
                rows[-1].append(text)
        return rows[:1] + [row for row in rows if row != rows[0]]


def check(source):
    """Well-formed, of known elements only, asks for nothing from elsewhere, can be read by a screen reader."""
    page = Page(source)
    assert {tag for tag, _, _ in page.elements} <= {*DOCUMENT, *FOLDED, *TABLE, *SVG}
    assert source.startswith("<!DOCTYPE html>\n")
    ((policy, _),) = [each for each in page.all("meta") if "http-equiv" in each[0]]
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    ids = Counter(attributes["id"] for _, attributes, _ in page.elements if "id" in attributes)
    assert set(ids.values()) <= {1}
    for tag, attributes, _ in page.elements:
        assert not any(name.startswith("on") or name in ("src", "srcdoc", "action") for name in attributes)
        for name, value in attributes.items():
            if name == "href":
                assert value.startswith("data:image/png;base64,") if tag == "image" else value[1:] in ids
            for target in re.findall(r"url\((.*?)\)", value) if name in ("style", "clip-path", "fill") else []:
                assert target[1:] in ids
    (style,) = page.texts("style")
    assert "url(" not in style and "@import" not in style
    ((root, _),) = page.all("html")
    assert root["lang"] == "en"
    assert len(page.all("h1")) == len(page.all("title")) == 1
    assert all("scope" in attributes for attributes, _ in page.all("th"))
    assert len(page.all("table")) == len(page.all("caption"))
    assert all(attributes["role"] == "img" and attributes["aria-label"] for attributes, _ in page.all("svg"))
    assert len(page.all("figure")) == len(page.all("figcaption")) == len(page.all("svg"))
    return page


def shown(text):
    """As it comes back from a page: line ends are newlines."""
    return visible(text).replace("\r\n", "\n").replace("\r", "\n")
