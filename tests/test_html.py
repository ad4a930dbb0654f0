"""What a notebook shows of a search."""

import html
import re
from html.parser import HTMLParser

import pytest
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_l2 import L2LogisticRegression, LambdaSearchCV

pytestmark = pytest.mark.filterwarnings("ignore:The best lambd")


class Reader(HTMLParser):
    """All tags, and the cells of tables of class-less rows."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.rows, self.open = [], [], False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self.open = True

    def handle_endtag(self, tag):
        self.open &= tag not in ("td", "th")

    def handle_data(self, data):
        if self.open:
            self.rows[-1][-1] += data


@pytest.fixture(scope="module")
def search():
    X, y = load_iris(return_X_y=True)
    pipeline = make_pipeline(StandardScaler(), L2LogisticRegression())
    return LambdaSearchCV(pipeline, (0.01, 0.1, 1, 10), scoring="neg_log_loss").fit(X, y)


def test_the_table_says_what_is_printed(search):
    rows = Reader(search.lambda_table()._repr_html_()).rows
    printed = [re.split(r"\s{2,}", line.strip()) for line in repr(search.lambda_table()).splitlines()]
    assert rows == printed


def test_values_of_parameters_are_escaped():
    X, y = load_iris(return_X_y=True)
    evil = "<script>alert('&')</script>"

    class Evil(dict):
        def __repr__(self):
            return evil

    grid = {"lambd": [1, 0.1, 10], "class_weight": [None, Evil({0: 1.0, 1: 2.0, 2: 1.0})]}
    search = LambdaSearchCV(L2LogisticRegression(), grid, scoring="neg_log_loss").fit(X / X.std(axis=0), y)
    table = Reader(search.lambda_table()._repr_html_())
    assert "script" not in table.tags
    assert evil in {cell for row in table.rows for cell in row}
    shown = search._repr_html_()
    assert html.escape(evil) in shown and evil not in shown


def test_a_fitted_search_is_diagram_and_table(search):
    table = search.lambda_table()._repr_html_()
    bundle = search._repr_mimebundle_()
    assert bundle["text/plain"] == repr(search)
    for shown in (bundle["text/html"], search._repr_html_()):
        assert shown.endswith(table)
        assert shown.count("sk-top-container") and "StandardScaler" in shown


def test_an_unfitted_search_is_a_diagram(search):
    for shown in (clone(search)._repr_html_(), clone(search)._repr_mimebundle_()["text/html"]):
        assert "sk-top-container" in shown and "just right" not in shown


def test_text_is_respected(search):
    with config_context(display="text"):
        assert not hasattr(search, "_repr_html_")
        assert search._repr_mimebundle_() == {"text/plain": repr(search)}
