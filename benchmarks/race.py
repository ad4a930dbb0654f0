"""Time to come within 1e-4, 1e-7 and 1e-10 of the optimum, for every peer, on one data set at one lambd.

First each peer in turn fits with stricter and stricter stopping, until it is there or its time is up; this gives its
curve of J - J* against seconds. Then ours and the two fastest others of each level are timed in turn, with the fastest
stopping that reached it. Libraries are in processes of their own, which live on from cell to cell.
"""

from __future__ import annotations

import statistics
import time
from functools import cache
from typing import Any

import numpy as np

from . import data, peers, reference
from .section import Row
from .worker import QUIET, Failed, OutOfTime, Worker, rounds

LEVELS = (1e-4, 1e-7, 1e-10)
_RIVALS = 2  # how many of the others are timed again for each level
HOPELESS = 20  # a fit may take so many times as long as our strictest one,
FAIR = 4  # and so many times as long in any case
_PLENTY = 60.0  # seconds
_ENOUGH = 5.0  # seconds, after which no third round begins
FITS = 2  # and all fits of a sweep so many times as long as one may


@cache
def _worker(library: str) -> Worker:
    return Worker(peers.serve)


def race(
    name: str,
    lambd: float,
    *,
    penalty: str = "l2",
    intercept: bool = True,
    repeats: int = 5,
    shortest: float = 0.25,
    longest: float = 1.5,
    only: tuple[str, ...] | None = None,
) -> Row:
    """A row: what each peer's sweep came to, and the raw times of the fastest at each level.

    A fit has HOPELESS times our seconds, at least `shortest` and at most `longest`, or FAIR times ours; `only` names
    the peers.
    """
    X, y = data.make(name)
    optimum = reference.solve(reference.Problem(X, y, lambd, penalty, intercept))
    task = peers.Task(*X.shape, int(y.max()) + 1, hasattr(X, "tocsr"), penalty, intercept)
    runners = [
        _Runner(peer, name, lambd, optimum) for peer in peers.installed(task) if only is None or peer.name in only
    ]
    limit = shortest
    for runner in runners:
        is_ours = runner.peer.name == peers.OURS  # the first
        runner.sweep(_PLENTY if is_ours else limit)
        if is_ours:
            own = max(runner.seconds)
            limit = max(float(np.clip(HOPELESS * own, shortest, longest)), FAIR * own)
    again = _timed_again(runners, repeats)
    return {
        "data": name,
        "shape": list(X.shape),
        "classes": task.n_classes,
        "lambd": lambd,
        "penalty": penalty,
        "limit": limit,
        "reference left": optimum.left,
        "non-zero": float(np.mean(optimum.W != 0)),
        "sweeps": {runner.peer.name: runner.points for runner in runners},
        "failures": {runner.peer.name: runner.failure for runner in runners if runner.failure},
        "repeated": again,
    }


class _Runner:
    """One peer on one problem; `points` are what its fits came to, (stop, seconds, gap) as a dict."""

    def __init__(self, peer: peers.Peer, name: str, lambd: float, optimum: reference.Reference) -> None:
        self.peer = peer
        self.optimum = optimum
        self.points: list[dict[str, float]] = []
        self.failure = ""
        self._name = name
        self._lambd = lambd

    @property
    def seconds(self) -> list[float]:
        return [point["seconds"] for point in self.points] or [0.0]

    def fit(self, stop: float, limit: float) -> tuple[float, float]:
        """Seconds and J - J*."""
        worker, problem = _worker(self.peer.library), self.optimum.problem
        settings = peers.Settings(self._lambd, problem.penalty, problem.intercept, stop)
        worker.ask(("load", self._name))
        worker.ask(("warm", (self.peer.name, settings)))
        seconds, W, b = worker.ask(("fit", (self.peer.name, settings)), limit)
        return seconds, self.optimum.suboptimality(W, b)

    def _expected(self) -> float:
        """Seconds of the next fit, should its time grow as before: threefold at most, by half if nothing is known."""
        *_, before, last = [0.0, *self.seconds]
        return last * (min(last / before, 3.0) if before else 1.5)

    def sweep(self, limit: float) -> None:
        """Fit with stricter and stricter stopping, each within `limit` seconds."""
        spent, skip = 0.0, False
        time.sleep(QUIET)
        for stop in self.peer.stops:
            if skip:
                skip = False
                continue
            try:
                seconds, gap = self.fit(stop, limit)
            except (OutOfTime, Failed) as failure:
                self.failure = str(failure)
                return
            self.points.append({"stop": stop, "seconds": seconds, "gap": gap})
            spent += seconds
            skip = seconds > limit / 5 and stop != self.peer.stops[-2]  # every other stopping will have to do
            if gap <= LEVELS[-1]:
                return
            if spent > FITS * limit or self._expected() > limit:
                self.failure = f"given up after {spent:.1f} s"
                return


def _timed_again(runners: list[_Runner], repeats: int) -> list[dict[str, Any]]:
    """Raw times of the fastest at each level, in turn."""
    chosen: dict[tuple[str, float], _Runner] = {}
    for level in LEVELS:
        there = [(*point, runner) for runner in runners if (point := fastest(runner.points, level))]
        there.sort(key=lambda each: (each[2].peer.name != peers.OURS, each[0]))
        for _, stop, runner in there[: 1 + _RIVALS]:
            chosen[runner.peer.name, stop] = runner
    order = sorted(chosen.items(), key=lambda each: each[1].peer.library)
    again = [{"peer": peer, "stop": stop, "seconds": []} for (peer, stop), _ in order]
    for _ in rounds(repeats, at_least=2, enough=_ENOUGH):
        library = ""
        for entry, (_, runner) in zip(again, order, strict=True):
            if runner.peer.library != library:
                library = runner.peer.library
                time.sleep(QUIET)
            try:
                entry["seconds"].append(runner.fit(entry["stop"], _PLENTY)[0])
            except (OutOfTime, Failed):
                runner.failure = "failed when timed again"
    return again


def fastest(points: list[dict[str, float]], level: float) -> tuple[float, float] | None:
    """Seconds and stop of the fastest fit within `level` of the optimum."""
    return min(((p["seconds"], p["stop"]) for p in points if p["gap"] <= level), default=None)


def times(row: Row, level: float) -> dict[str, float]:
    """Median seconds of each peer that gets within `level` of the optimum."""
    medians = {
        (each["peer"], each["stop"]): statistics.median(each["seconds"]) for each in row["repeated"] if each["seconds"]
    }
    return {
        peer: best[0]
        for peer, points in row["sweeps"].items()
        if (best := fastest([p | {"seconds": medians.get((peer, p["stop"]), p["seconds"])} for p in points], level))
    }


def reached(row: Row, peer: str) -> float | None:
    """The least J - J* of a peer's fits."""
    return min((point["gap"] for point in row["sweeps"].get(peer, [])), default=None)
