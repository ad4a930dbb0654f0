"""How many threads a fit may use, and BLAS held to one thread while row blocks run side by side."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import scipy.linalg  # noqa: F401  (loads scipy's own BLAS, so that the controller below sees it)
from threadpoolctl import ThreadpoolController

_lock = threading.Lock()
_users = 0
_before: list[int] = []  # threads of each library


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="blas")


def available_threads() -> int:
    """Threads that BLAS may use now, which is what the environment grants this fit.

    Environment variables, `threadpool_limits` and joblib's share for a worker process all show up there;
    a fit that overlaps another one on a second thread sees 1 and so does not start more.
    """
    counts = [library.num_threads for library in _blas().lib_controllers]
    if counts:
        return max(counts)
    return int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Hold BLAS to one thread; the last of several overlapping users restores what the first one found."""
    global _users, _before
    with _lock:
        if _users == 0:
            libraries = _blas().lib_controllers
            _before = [library.num_threads for library in libraries]
            for library in libraries:  # a ThreadpoolController's own limit takes three times as long
                library.set_num_threads(1)
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                for library, n_threads in zip(_blas().lib_controllers, _before, strict=True):
                    library.set_num_threads(n_threads)
