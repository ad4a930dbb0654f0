"""Calls side by side, as `n_jobs` says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from joblib import effective_n_jobs
from sklearn.utils.parallel import Parallel, delayed


def in_parallel(
    function: Callable[..., Any], calls: Sequence[tuple[Any, ...]], *, n_jobs: Any, pre_dispatch: Any
) -> Iterator[Any]:
    """What `function(*call)` gives for each call, in order and as soon as it is there."""
    if effective_n_jobs(n_jobs) == 1 or len(calls) == 1:
        return (function(*call) for call in calls)
    settings = {"n_jobs": n_jobs, "pre_dispatch": pre_dispatch}
    try:
        parallel = Parallel(**settings, return_as="generator")
    except (TypeError, ValueError):  # joblib before 1.3, or a backend that gives its results at the end
        parallel = Parallel(**settings)
    return iter(parallel(delayed(function)(*call) for call in calls))
