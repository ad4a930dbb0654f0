"""Section: a fit from a memory-mapped file larger than the memory that the process may take for itself.

The limit is on anonymous memory (RLIMIT_DATA): a mapping of a file counts to the address space, which `ulimit -v`
limits, but its pages can be given back at any time. What the libraries have reserved before the fit, most of it never
touched, does not count; half of the file's size may be added. The peak is that of the process's resident anonymous
memory, all included. It needs Linux.
"""

from __future__ import annotations

import resource
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
from sklearn.linear_model import LogisticRegression

from sklearn_l2 import L2LogisticRegression

from . import reference
from .data import gaussian
from .peak import Peak, of_process
from .section import Cell, Row, duration, table
from .worker import Failed, Worker, timed

TITLE = "Data larger than memory"

LAMBD = 1.0
WORKING_MEMORY = 64  # MiB, scikit-learn's setting for temporary arrays
SIDES: dict[str, Callable[[], Any]] = {
    "L2LogisticRegression": lambda: L2LogisticRegression(LAMBD),
    "LogisticRegression (lbfgs, tol=1e-6)": lambda: LogisticRegression(C=1 / LAMBD, tol=1e-6, max_iter=1000),
    "LogisticRegression (newton-cg)": lambda: LogisticRegression(C=1 / LAMBD, solver="newton-cg", tol=1e-8),
    "LogisticRegression (newton-cholesky)": lambda: LogisticRegression(C=1 / LAMBD, solver="newton-cholesky", tol=1e-8),
}


def cells(quick: bool) -> list[Cell]:
    """One file."""
    shape = (400_000, 50) if quick else (1_000_000, 50)
    name = f"{shape[0]:,} x {shape[1]}".replace(",", " ")
    return [Cell(name, partial(_run, name, shape, list(SIDES)[: 2 if quick else None]))]


def _run(name: str, shape: tuple[int, int], sides: list[str]) -> list[Row]:
    X, y = gaussian(*shape)
    optimum = reference.solve(reference.Problem(X, y, LAMBD))
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        np.save(path / "X.npy", X)
        np.save(path / "y.npy", y)
        for side in sides:
            for is_mapped in (True, False):
                row = {"data": name, "side": side, "mapped": is_mapped, "X": X.nbytes}
                with Worker(serve, path, side, X.nbytes // 2 if is_mapped else None) as worker:
                    try:
                        answer = worker.ask(None)
                    except Failed as failure:
                        rows.append(row | {"failure": str(failure)})
                        continue
                W, b = answer.pop("model")
                rows.append(row | answer | {"gap": optimum.suboptimality(W, b)})
    return rows


def serve(directory: Path, side: str, allowed: int | None) -> Callable[[Any], dict[str, Any]]:
    """Prepare one fit: of a mapped file within `allowed` more bytes, or of an array."""
    model = SIDES[side]()
    sklearn.set_config(working_memory=WORKING_MEMORY)
    X = np.load(directory / "X.npy", mmap_mode=None if allowed is None else "r")
    y = np.load(directory / "y.npy")
    model.fit(X[: len(X) // 10], y[: len(X) // 10])  # what libraries reserve at their first use
    if allowed is not None:
        limit = of_process("VmData") + allowed
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    def fit(_: Any) -> dict[str, Any]:
        with Peak(lambda: of_process("RssAnon"), every=0.005) as peak:
            seconds, _model = timed(lambda: model.fit(X, y))
        return {"seconds": seconds, "peak": peak.bytes, "model": (model.coef_, model.intercept_)}

    return fit


def markdown(rows: list[Row], pictures: Path) -> str:
    """A table."""
    size = rows[0]["X"] / 2**20
    lines = []
    for row in rows:
        how = "mapped, limited" if row["mapped"] else "in memory"
        if "failure" in row:
            lines.append([row["side"], how, row["failure"], "", ""])
        else:
            peak = f"{row['peak'] / 2**20:.0f} MiB"
            lines.append(
                [
                    row["side"],
                    how,
                    duration(row["seconds"]),
                    peak,
                    f"{row['gap']:.0e}" if row["gap"] > 1e-15 else "< 1e-15",
                ]
            )
    return (
        f'{rows[0]["data"]} float64, a file of {size:.0f} MiB, mapped by `np.load(mmap_mode="r")`. The fit may take '
        f"{size / 2:.0f} MiB of memory of its own (RLIMIT_DATA), and is told to be content with `working_memory` = "
        f"{WORKING_MEMORY}: by default that is 1 GiB, and a copy of X in single precision would be made. The peak is "
        "that of the whole process with Python and all libraries, pages of the file left out. A process for each fit, "
        f"at lambd = {LAMBD:g}.\n\n" + table(["", "X", "time", "peak", "J - J*"], lines)
    )
