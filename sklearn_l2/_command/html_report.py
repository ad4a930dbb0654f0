"""The outcome as one HTML page that needs nothing else."""

from __future__ import annotations

import argparse
import platform
import shlex
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy
import sklearn

from .. import __version__
from .._search.verdicts import JUST_RIGHT, OVERFITTING, UNDERFITTING
from . import markup, weights
from .data import Data, take
from .data_summary import data_section
from .markup import bullets, element, paragraphs, section
from .pictures import calibration_picture, confusion_picture, curve_picture
from .recipe import recipe
from .report import Outcome, decimal, family_cells, how_to_read, inverse, percent, remarks, size
from .tuning import Tuned, choose

_CLASSES = {OVERFITTING: "overfitting", JUST_RIGHT: "right", UNDERFITTING: "underfitting"}


def page(
    outcome: Outcome, arguments: argparse.Namespace, data: Data, parts: Mapping[str, np.ndarray], model: Any
) -> str:
    """The page of a run that chose `model`."""
    assert outcome.family is not None
    title = f"lambd for {outcome.title}"
    sections = [
        element("h1", title),
        element("p", size(outcome)),
        _answer(outcome),
        _warnings(outcome),
        _lambdas(outcome),
        _test(outcome, data, parts, model),
        weights.section_of(model, data.names),
        data_section(data, parts),
        _code(arguments, recipe(arguments, data, parts, outcome.family), outcome),
        _versions(),
    ]
    return markup.page(title, sections)


# The choice


def _answer(outcome: Outcome) -> ET.Element:
    assert outcome.family is not None and outcome.chosen is not None
    scale = ""
    if outcome.family.name == "logistic":
        scale = f", which is C = {inverse(outcome.chosen.lambd)} in scikit-learn's LogisticRegression"
    lead = element(
        "p", "Chosen: ", element("strong", f"{outcome.family.title}, lambd = {outcome.chosen.lambd:g}"), f"{scale}."
    )
    return element("div", lead, *_reasons(outcome), class_="answer")


def _reasons(outcome: Outcome) -> list[ET.Element]:
    """Why this lambd, in words."""
    assert outcome.chosen is not None
    chosen = outcome.chosen
    loss = f"{decimal(chosen.dev_loss)} ± {decimal(chosen.dev_loss_se)}"
    if outcome.scoring:
        why = f"It has the best dev {outcome.scoring}, {decimal(chosen.dev_score)}; its dev loss is {loss}."
    else:
        why = f"It has the lowest dev loss: {loss}."
    if outcome.n_folds > 1:
        fitted = (
            f"Dev figures are means over {outcome.n_folds} folds. The model was then fitted anew on all "
            f"{outcome.n_rows['train']} training rows."
        )
    else:
        fitted = "It is the model that was scored: the dev set was never trained on."
    texts = [f"{why} {_rivals(outcome)}".strip(), "The other values of lambd:", fitted]
    if outcome.test_error is not None:
        texts.append(f"On the test rows, which had no part in any of this: {_test_figures(outcome)}.")
    first, introduction, *others = paragraphs(texts)
    compared = _compared(outcome)
    return [first, *([introduction, bullets(compared)] if compared else []), *others]


def _compared(outcome: Outcome) -> list[str]:
    """What is said of the other lambdas of the chosen family."""
    assert outcome.family is not None
    said = {
        OVERFITTING: "too small, the model overfits",
        JUST_RIGHT: "within a standard error of the lowest dev loss, so no worse as far as these rows can tell",
        UNDERFITTING: "too large, the model underfits",
    }
    others = [row for row in outcome.tuned[outcome.family.name].rows if row is not outcome.chosen]
    lambds = {verdict: [f"{row.lambd:g}" for row in others if row.verdict.text == verdict] for verdict in said}
    return [f"lambd = {', '.join(lambds[verdict])}: {words}." for verdict, words in said.items() if lambds[verdict]]


def _rivals(outcome: Outcome) -> str:
    assert outcome.family is not None
    best = {name: choose(tuned.rows) for name, tuned in outcome.tuned.items() if name != outcome.family.name}
    return " ".join(
        f"The best {outcome.tuned[name].family.title}, lambd = {row.lambd:g}, "
        + (f"comes to {decimal(row.dev_score)}." if outcome.scoring else f"has {decimal(row.dev_loss)}.")
        for name, row in best.items()
        if row is not None
    )


def _warnings(outcome: Outcome) -> ET.Element:
    texts = [
        f"{tuned.family.title.capitalize()}: {text}" for tuned in outcome.tuned.values() for text in remarks(tuned)
    ]
    return section("Warnings", bullets(texts + outcome.warnings) if texts + outcome.warnings else element("p", "None."))


# The search


def _lambdas(outcome: Outcome) -> ET.Element:
    children: list[ET.Element] = []
    for tuned in outcome.tuned.values():
        children += [element("h3", tuned.family.title.capitalize()), _lambda_table(tuned, outcome.scoring)]
    curves = [curve_picture(tuned) for tuned in outcome.tuned.values() if choose(tuned.rows)]
    return section(
        "All values of lambd", *children, element("p", how_to_read(outcome)), element("div", *curves, class_="pictures")
    )


def _lambda_table(tuned: Tuned, scoring: str | None) -> ET.Element:
    headers, lines = family_cells(tuned, scoring)
    chosen = [i for i, line in enumerate(lines) if line[0]]
    rows: list[list[markup.Child]] = []
    for star, lambd, *figures, verdict in lines:
        mark = element("span", verdict, class_=_CLASSES.get(verdict, "failed"))
        best = element("span", mark, " (best)" if star else "", class_="verdict")
        rows.append([lambd, best, *(text.replace("+-", "±") for text in reversed(figures))])
    # On a phone the first columns can be seen: those that matter most.
    headers = [headers[1], headers[-1], *(header.replace("+-", "±") for header in headers[-2:1:-1])]
    return markup.table(f"The {tuned.family.title} for every lambd", headers, rows, *chosen)


# Test rows


def _test_figures(outcome: Outcome) -> str:
    assert outcome.test_error is not None
    count = outcome.n_rows["test"]
    score = "" if outcome.test_score is None else f", {outcome.scoring} {decimal(outcome.test_score)}"
    wrong = round(outcome.test_error * count)
    return f"error {percent(outcome.test_error)} ({wrong} of {count} rows), loss {decimal(outcome.test_loss)}{score}"


def _test(outcome: Outcome, data: Data, parts: Mapping[str, np.ndarray], model: Any) -> ET.Element:
    if "test" not in parts:
        text = "No rows were kept for a test (--test-size 0). The dev figures above favour the choice made by them."
        return section("Test", element("p", text))
    X, y = take(data.X, parts["test"]), data.y[parts["test"]]
    probabilities = model.predict_proba(X)
    predicted = model.predict(X)
    pictures = [
        confusion_picture(y, predicted, model.classes_),
        calibration_picture(y, probabilities, model.classes_),
    ]
    figures = _test_figures(outcome)
    return section(
        "Test",
        element("p", f"{figures[0].upper()}{figures[1:]}."),
        element("div", *pictures, class_="pictures"),
        *_mistakes(y, predicted),
    )


def _mistakes(y: np.ndarray, predicted: np.ndarray) -> list[ET.Element]:
    wrong = y != predicted
    if not wrong.any():
        return [element("p", "No test row was misclassified.")]
    pairs, counts = np.unique(np.column_stack([y[wrong], predicted[wrong]]), axis=0, return_counts=True)
    rows = [[str(pairs[i, 0]), str(pairs[i, 1]), str(counts[i])] for i in np.argsort(-counts, kind="stable")]
    return markup.long_table("Misclassified test rows", ["true class", "predicted class", "rows"], rows)


# What made it


def _code(arguments: argparse.Namespace, script: str, outcome: Outcome) -> ET.Element:
    command = shlex.join(["python", "-m", "sklearn_l2", *arguments.given])
    children = [
        element("p", "This page was written by"),
        _code_block(command),
        element("p", "Python code that finds this lambd again:"),
        _code_block(script),
    ]
    if outcome.saved:
        children += [element("p", "The model was saved. Load it with"), _code_block(outcome.saved["load"])]
    return section("The code that reproduces it", *children)


def _code_block(text: str) -> ET.Element:
    return element("pre", element("code", text), tabindex="0")


def _versions() -> ET.Element:
    rows = [
        ["sklearn-l2", __version__],
        ["scikit-learn", sklearn.__version__],
        ["scipy", scipy.__version__],
        ["numpy", np.__version__],
        ["Python", platform.python_version()],
        ["platform", platform.platform()],
    ]
    return section("Versions", markup.table("What it ran on", ["package", "version"], rows))
