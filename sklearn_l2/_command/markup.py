"""HTML as a tree of elements. Text is escaped where the tree is written, so that none of it can become markup."""

from __future__ import annotations

import re
import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Sequence

Child = str | ET.Element

_TURNS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # of the direction of writing
SHOWN, LISTED_CELLS = 20, 5000

# Nothing is loaded and no script runs, whatever the page holds.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_STYLE = """
:root { color-scheme: light dark; --ink: #1c1c1c; --faint: #595959; --paper: #fff; --shade: #f3f4f6; --line: #d0d3d9;
  --overfitting: #a33d00; --right: #00664a; --underfitting: #0059a6; --picture: none }
@media screen and (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e8; --faint: #aaa; --paper: #161616; --shade: #242629; --line: #44484f;
    --overfitting: #ff9b66; --right: #4fd1a5; --underfitting: #7cbcff; --picture: invert(0.92) hue-rotate(180deg) } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 1rem; max-width: 60rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere }
h1 { font-size: 1.5rem; line-height: 1.2 }
h2 { font-size: 1.2rem; margin: 2.5rem 0 0.5rem; border-bottom: 1px solid var(--line) }
h3 { font-size: 1rem; margin: 1.5rem 0 0.5rem }
.answer { background: var(--shade); border-left: 0.3rem solid var(--right); padding: 0.75rem 1rem }
.answer strong { font-size: 1.2rem }
.wide { overflow-x: auto; margin: 0.5rem 0 }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; overflow-wrap: normal; font-size: 0.95rem }
caption, figcaption { text-align: left; color: var(--faint); font-size: 0.9rem }
caption { padding-bottom: 0.25rem }
th, td { padding: 0.2rem 0.7rem; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top }
thead th { min-width: 4rem; max-width: 11rem; vertical-align: bottom; overflow-wrap: break-word }
tbody th { font-weight: normal; min-width: 6rem; max-width: 20rem; overflow-wrap: anywhere }
.number { text-align: right }
tbody .number { white-space: nowrap; min-width: 0 }
.verdict { white-space: nowrap }
.chosen { background: var(--shade) }
.chosen th, .chosen td { font-weight: bold }
.overfitting { color: var(--overfitting) } .right { color: var(--right) } .underfitting { color: var(--underfitting) }
.bar { display: block; height: 0.8rem; margin-top: 0.35rem; min-width: 1px; background: var(--underfitting) }
.bar.minus { background: var(--overfitting) }
td:has(.bar) { width: 12rem; min-width: 6rem }
.pictures { display: grid; gap: 1.5rem; margin: 1.5rem 0;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)) }
figure { margin: 0; break-inside: avoid }
svg { max-width: 100%; height: auto; filter: var(--picture) }
svg * { stroke-linejoin: round; stroke-linecap: butt }
pre { background: var(--shade); padding: 0.75rem 1rem; overflow-x: auto; font-size: 0.85rem; overflow-wrap: normal }
summary { cursor: pointer; color: var(--faint) }
@media print { body { max-width: none; padding: 0; font-size: 10pt } pre { white-space: pre-wrap }
  .wide { overflow: visible } h2, h3, caption, thead { break-after: avoid }
  .pictures { grid-template-columns: 1fr 1fr } tr { break-inside: avoid } }
"""


def visible(text: str) -> str:
    """The text with control characters, lone surrogates and changes of direction as backslash escapes."""
    return "".join(map(_visible, text))


def _visible(character: str) -> str:
    hidden = unicodedata.category(character) in ("Cc", "Cs", "Cn") and character not in "\n\t"
    if hidden or character in _TURNS:
        return character.encode("unicode_escape").decode("ascii")
    return character


def element(tag: str, *children: Child, **attributes: str) -> ET.Element:
    """An element; in attribute names a final underscore is left out and others are hyphens."""
    made = ET.Element(tag, {name.rstrip("_").replace("_", "-"): visible(text) for name, text in attributes.items()})
    for child in children:
        if not isinstance(child, str):
            made.append(child)
        elif len(made):
            made[-1].tail = (made[-1].tail or "") + visible(child)
        else:
            made.text = (made.text or "") + visible(child)
    return made


def paragraphs(texts: Sequence[str]) -> list[ET.Element]:
    return [element("p", text) for text in texts]


def bullets(texts: Sequence[str]) -> ET.Element:
    return element("ul", *(element("li", text) for text in texts))


def section(title: str, *children: Child) -> ET.Element:
    return element("section", element("h2", title), *children)


def table(
    caption: str, headers: Sequence[str], rows: Sequence[Sequence[Child]], chosen: int | None = None
) -> ET.Element:
    """A table whose first cells name its rows; numbers stand to the right."""
    numeric = [all(_is_number(row[i]) for row in rows) for i in range(len(headers))]
    classes = [{"class_": "number"} if each else {} for each in numeric]
    head = [element("th", text, scope="col", **each) for text, each in zip(headers, classes, strict=True)]
    body = []
    for number, row in enumerate(rows):
        first = element("th", row[0], scope="row", **classes[0])
        others = [element("td", cell, **each) for cell, each in zip(row[1:], classes[1:], strict=True)]
        body.append(element("tr", first, *others, **({"class_": "chosen"} if number == chosen else {})))
    made = element(
        "table", element("caption", caption), element("thead", element("tr", *head)), element("tbody", *body)
    )
    return element("div", made, class_="wide", tabindex="0", role="region", aria_label=caption)


def _is_number(cell: Child) -> bool:
    return isinstance(cell, str) and re.match(r"[-\u2212]?[\d.]|inf$|-?$", cell) is not None


def long_table(caption: str, headers: Sequence[str], rows: Sequence[Sequence[Child]]) -> list[ET.Element]:
    """A table whose later rows are folded away."""
    listed = max(SHOWN, LISTED_CELLS // len(headers))
    shown, others = rows[:SHOWN], rows[SHOWN:listed]
    made = [table(caption, headers, shown)]
    if others:
        rest = f"{caption}, continued"
        made.append(element("details", element("summary", f"{len(others)} more rows"), table(rest, headers, others)))
    if len(rows) > listed:
        made.append(element("p", f"{len(rows) - listed} more are not listed."))
    return made


def bar(share: float) -> ET.Element:
    """A bar of that share of the cell's width, in another colour below 0; the number stands in a cell beside it."""
    sign = " minus" if share < 0 else ""
    return element("span", class_=f"bar{sign}", style=f"width: {100 * abs(share):.1f}%", aria_hidden="true")


def page(title: str, children: Sequence[ET.Element]) -> str:
    """The whole document."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("title", title),
        element("style", _STYLE),
    )
    root = element("html", head, element("body", element("main", *children)), lang="en")
    return f"<!DOCTYPE html>\n{ET.tostring(root, encoding='unicode', method='html')}\n"
