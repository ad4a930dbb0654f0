"""How Sphinx builds the documentation: CONTRIBUTING.md has the command."""

import sys
from pathlib import Path

from docutils import nodes

import sklearn_l2

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS / "_ext"))

project = "sklearn-l2"
author = "sklearn-l2 developers"
copyright = author
version = release = sklearn_l2.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
    "mathml",
    "repository_pages",
]
exclude_patterns = ["_build", "start", "guide", "examples", "internals", "**/GALLERY_HEADER.rst"]
templates_path = ["_templates"]
suppress_warnings = [
    "config.cache",  # sphinx-gallery is configured by objects that cannot be pickled
]

myst_enable_extensions = ["dollarmath", "deflist"]
myst_fence_as_directive = ["math"]  # GitHub shows such fences as formulas, too
myst_heading_anchors = 3

html_theme = "pydata_sphinx_theme"
html_title = "sklearn-l2"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_show_sourcelink = False
html_sidebars = {  # none for pages without pages below them
    page: [] for page in ("auto_start/*", "benchmarks", "changes", "contributing", "faq", "migration")
}
html_theme_options = {
    "show_prev_next": True,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 6,
    "navbar_persistent": ["search-button"],
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}

default_role = "literal"  # of single backticks in docstrings
toc_object_entries_show_parents = "hide"
autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
numpydoc_validation_checks = {
    "all",
    "ES01",  # no extended summary
    "SA01",  # no See Also
    "EX01",  # no example: those of a class show its methods
    "RT02",  # the name of a return value; scikit-learn's is `self : object`
    "RT03",  # a return value without a description
    "GL01",  # the summary stands beside the quotes
}
numpydoc_validation_exclude = {r"\.set_\w+_request$", r"\.get_metadata_routing$"}

sphinx_gallery_conf = {
    "examples_dirs": ["start", "guide", "examples", "internals"],
    "gallery_dirs": ["auto_start", "auto_guide", "auto_examples", "auto_internals"],
    "filename_pattern": r"/plot_",
    "within_subsection_order": "FileNameSortKey",
    "doc_module": ("sklearn_l2",),
    "backreferences_dir": "api/generated/backreferences",
    "download_all_examples": False,
    "show_memory": False,
    "remove_config_comments": True,
    "write_computation_times": False,
}

# What docstrings inherited from scikit-learn refer to, and ours by name.
SCIKIT_LEARN = "https://scikit-learn.org/stable/"
SCIKIT_LEARN_LABELS = {
    "accuracy_score": "modules/model_evaluation.html#accuracy-score",
    "metadata_routing": "metadata_routing.html",
}


def link_to_scikit_learn(app, env, node, text):
    """A link for a reference that is not to a page of ours; without intersphinx, which needs the network."""
    target = node["reftarget"]
    if node["refdomain"] == "py" and target.startswith("sklearn."):
        page = f"modules/generated/{target}.html"
    elif node["reftype"] == "term":
        page = f"glossary.html#term-{target}"
    elif target in SCIKIT_LEARN_LABELS:
        page = SCIKIT_LEARN_LABELS[target]
    else:
        return None
    return nodes.reference("", "", text, refuri=SCIKIT_LEARN + page, internal=False)


def setup(app):
    app.connect("missing-reference", link_to_scikit_learn)
