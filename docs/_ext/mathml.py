"""Formulas as MathML, which browsers show without a script: pages need no network, and the build no LaTeX."""

import html
import re
from xml.etree import ElementTree

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

log = logging.getLogger(__name__)

MATHML = "http://www.w3.org/1998/Math/MathML"
HTML_ENTITY = re.compile(r"&(?!lt;|gt;|amp;)\w+;")  # which is not XML's
ElementTree.register_namespace("", MATHML)


def mathml(node: nodes.math | nodes.math_block) -> str:
    tex = node.astext().replace(":=", r"\coloneqq ")  # a colon and an equals sign would stand apart
    try:
        return with_subscripts_at_the_side(tex2mathml(tex, as_block=isinstance(node, nodes.math_block)))
    except MathError as error:
        log.warning("%s in the formula %s", error, tex, location=node)
        return ""


def with_subscripts_at_the_side(formula: str) -> str:
    r"""The i of \hat y_i, which docutils puts below, where it belongs: beside the y."""
    root = ElementTree.fromstring(HTML_ENTITY.sub(lambda entity: html.unescape(entity[0]), formula))
    for element in root.iter(f"{{{MATHML}}}munderover"):
        base, below, above = element
        if above.get("stretchy") == "false":  # an accent, and not a limit
            element.tag = f"{{{MATHML}}}msub"
            accented = ElementTree.Element(f"{{{MATHML}}}mover")
            accented.extend([base, above])
            element[:] = [accented, below]
    return ElementTree.tostring(root, encoding="unicode")


def inline(translator: HTML5Translator, node: nodes.math) -> None:
    translator.body.append(mathml(node))
    raise nodes.SkipNode


def block(translator: HTML5Translator, node: nodes.math_block) -> None:
    translator.body.append(f'<div class="formula">{mathml(node)}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_html_math_renderer("mathml", (inline, None), (block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
