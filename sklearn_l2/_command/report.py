"""The outcome as text of 80 columns and as a JSON object."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .tuning import Family, Row, Tuned, choose

WIDTH = 79


@dataclass
class Outcome:
    """Everything a run found out, filled in as it goes."""

    title: str
    n_features: int
    classes: list[Any]
    n_rows: dict[str, int]
    n_folds: int
    scoring: str | None
    notes: list[str] = field(default_factory=list)
    tuned: dict[str, Tuned] = field(default_factory=dict)
    interrupted: bool = False
    family: Family | None = None
    chosen: Row | None = None
    warnings: list[str] = field(default_factory=list)
    test_error: float | None = None
    test_loss: float | None = None
    test_score: float | None = None
    saved: dict[str, Any] | None = None
    plotted: str | None = None
    reported: str | None = None


# Text


def heading(outcome: Outcome) -> str:
    lines = [outcome.title, size(outcome)]
    if outcome.n_folds > 1:
        lines.append(
            f"Errors and losses are means over {outcome.n_folds} folds of the train rows, +- is the standard "
            "error over folds."
        )
    return "\n".join([*(_wrapped(line) for line in lines), *(_wrapped(f"note: {note}") for note in outcome.notes)])


def size(outcome: Outcome) -> str:
    """Columns, classes and the rows of each part."""
    parts = ", ".join(f"{part} {outcome.n_rows[part]}" for part in ("train", "dev", "test") if part in outcome.n_rows)
    return f"{outcome.n_features} columns, {len(outcome.classes)} classes; rows: {parts}"


def family_table(tuned: Tuned, scoring: str | None) -> str:
    """The rows of one family, with a star at its best lambd, and a line for every kind of warning."""
    title = tuned.family.title
    lines = ["", f"{title[0].upper()}{title[1:]}", table(*family_cells(tuned, scoring))]
    return "\n".join(lines + [_wrapped(each) for each in remarks(tuned)])


def family_cells(tuned: Tuned, scoring: str | None) -> tuple[list[str], list[list[str]]]:
    """The headers and cells of that table."""
    chosen = choose(tuned.rows)
    headers = ["", "lambd", "||W||", "train err", "dev err", "dev loss +- se", "verdict"]
    if scoring:
        headers.insert(-1, "score")
    cells = []
    for row in tuned.rows:
        line = [
            "*" * (row is chosen),
            f"{row.lambd:g}",
            length(row.norm),
            percent(row.train_error),
            percent(row.dev_error),
            "-" if row.failure else f"{decimal(row.dev_loss)} +- {decimal(row.dev_loss_se)}",
            row.verdict.text,
        ]
        if scoring:
            line.insert(-1, decimal(row.dev_score))
        cells.append(line)
    return headers, cells


def table(headers: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they need to be, to the right but for the last."""
    widths = [max(map(len, column)) for column in zip(headers, *cells, strict=True)]
    lines = []
    for line in (headers, *cells):
        right = [cell.rjust(width) for cell, width in zip(line[:-1], widths, strict=False)]
        lines.append("  ".join([*right, line[-1]]).rstrip())
    return "\n".join(lines)


def remarks(tuned: Tuned) -> list[str]:
    """The warnings and failures of a family, those of several lambdas together."""
    said: dict[str, str] = {}
    lambds: dict[str, dict[str, None]] = {}
    for row in tuned.rows:
        for message in [*row.warnings, *([f"failed with {row.failure}"] if row.failure else [])]:
            alike = re.sub(r"\d[\d.e+-]*", "0", message)  # messages that differ in figures only are told once
            said.setdefault(alike, message)
            lambds.setdefault(alike, {})[f"{row.lambd:g}"] = None
    of_lambds = [f"lambd {', '.join(lambds[alike])}: {message}" for alike, message in said.items()]
    return of_lambds + tuned.remarks


def ending(outcome: Outcome) -> str:
    """The choice, its test error, how to read the table, and the files written."""
    lines = ["", *_choice(outcome), "", _wrapped(f"{how_to_read(outcome)} * = the best of its table.")]
    if outcome.plotted:
        lines += ["", f"Picture: {outcome.plotted}"]
    if outcome.reported:
        lines += ["", f"Report: {outcome.reported}"]
    if outcome.saved:
        lines += ["", f"Model saved: {outcome.saved['path']}", "Types to trust when loading it:"]
        lines += [f"  {name}" for name in outcome.saved["untrusted_types"]] or ["  none"]
        lines += ["Load it with:", *(f"  {line}" for line in outcome.saved["load"].splitlines())]
    return "\n".join(lines)


def _choice(outcome: Outcome) -> list[str]:
    if outcome.interrupted:
        return [_wrapped("Interrupted: these are the finished rows, and the verdicts compare only them.")]
    if outcome.family is None or outcome.chosen is None:
        return ["Nothing is chosen: no fit went well."]
    chosen = outcome.chosen
    by = f"the best dev {outcome.scoring}" if outcome.scoring else "the lowest dev loss"
    scale = ""
    if outcome.family.name == "logistic":
        scale = f" (C = {inverse(chosen.lambd)} in LogisticRegression)"
    lines = [f"Chosen by {by}: {outcome.family.title}, lambd = {chosen.lambd:g}{scale}"]
    if outcome.n_folds > 1:
        lines.append(f"It was then fitted anew on all {outcome.n_rows['train']} train rows.")
    else:
        lines.append("It is the model that was scored: the dev set was never trained on.")
    if outcome.test_error is not None:
        count = outcome.n_rows["test"]
        score = "" if outcome.test_score is None else f", {outcome.scoring} {decimal(outcome.test_score)}"
        lines.append(
            f"Test error: {percent(outcome.test_error)} ({round(outcome.test_error * count)} of {count} "
            f"rows), loss {decimal(outcome.test_loss)}{score}"
        )
    return [_wrapped(line) for line in lines + outcome.warnings]


def how_to_read(outcome: Outcome) -> str:
    """What the verdicts and the figures of the tables mean."""
    unit = "fold by fold" if outcome.n_folds > 1 else "dev row by dev row"
    return (
        "Verdicts by the one-standard-error rule: just right = a dev loss above the best by at most one "
        f"standard error of the difference, taken {unit}; of the others, a smaller lambd is overfitting, a "
        "larger one underfitting. err = share of rows misclassified, loss = log loss, se = standard error."
    )


def _wrapped(text: str) -> str:
    return textwrap.fill(text, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def percent(share: float) -> str:
    return f"{100 * share:.2f}%" if np.isfinite(share) else "-"


def decimal(value: float | None) -> str:
    return f"{value:.4f}" if value is not None and np.isfinite(value) else "-"


def length(value: float) -> str:
    if not np.isfinite(value):
        return "-"
    return f"{value:.2f}" if 0.01 <= value < 1e6 else f"{value:.2g}"


def inverse(lambd: float) -> str:
    return f"{1 / lambd:g}" if lambd else "inf"


# JSON


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Plain values only: None stands for what is missing or not finite."""
    chosen = None
    if outcome.family is not None and outcome.chosen is not None:
        chosen = {
            "model": outcome.family.name,
            "lambd": outcome.chosen.lambd,
            "dev_loss": outcome.chosen.dev_loss,
            "refitted": outcome.n_folds > 1,
            "warnings": outcome.warnings,
            "test_error": outcome.test_error,
            "test_loss": outcome.test_loss,
            "test_score": outcome.test_score,
        }
    document = {
        "data": outcome.title,
        "n_features": outcome.n_features,
        "classes": outcome.classes,
        "n_rows": outcome.n_rows,
        "n_folds": outcome.n_folds,
        "scoring": outcome.scoring,
        "notes": outcome.notes,
        "models": {name: _tuned_as_json(tuned, outcome.scoring) for name, tuned in outcome.tuned.items()},
        "chosen": chosen,
        "interrupted": outcome.interrupted,
        "saved": outcome.saved,
        "plotted": outcome.plotted,
        "reported": outcome.reported,
    }
    return _plain(document)


def _tuned_as_json(tuned: Tuned, scoring: str | None) -> dict[str, Any]:
    chosen = choose(tuned.rows)
    return {
        "rows": [
            {
                "lambd": row.lambd,
                "weight_norm": row.norm,
                "train_error": row.train_error,
                "train_loss": row.train_loss,
                "dev_error": row.dev_error,
                "dev_loss": row.dev_loss,
                "dev_loss_se": row.dev_loss_se,
                "dev_score": row.dev_score if scoring else None,
                "above_best": row.verdict.above_best,
                "above_best_se": row.verdict.above_best_se,
                "verdict": row.verdict.text,
                "warnings": row.warnings,
                "failure": row.failure or None,
            }
            for row in tuned.rows
        ],
        "warnings": tuned.remarks,
        "chosen_lambd": chosen.lambd if chosen else None,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
