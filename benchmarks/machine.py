"""What the benchmarks ran on: versions, cores, BLAS, and how fast it multiplies and reads."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
from typing import Any

import numpy as np
import threadpoolctl

PACKAGES = (
    *("numpy", "scipy", "scikit-learn", "scikit-learn-intelex", "glum", "snapml", "adelie", "skglm", "celer", "torch"),
    *("ISLP", "sklearn-l2"),
)
_N = 1500  # rows and columns of the matrices of the product
_BYTES = 2**28


def describe() -> dict[str, Any]:
    """Versions, cores, and the BLAS kernels that this process runs."""
    blas = [
        {key: str(library.get(key)) for key in ("prefix", "version", "architecture", "num_threads")}
        for library in sorted(threadpoolctl.threadpool_info(), key=lambda library: str(library.get("version")))
        if library["user_api"] == "blas"
    ]
    return {
        "date": time.strftime("%Y-%m-%d"),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": {name: version for name in PACKAGES if (version := _version(name))},
        "blas": blas,
        "environment": {name: os.environ[name] for name in sorted(os.environ) if _matters(name)},
        **rates(),
    }


def rates() -> dict[str, float]:
    """Multiply-adds per second of a matrix product, on all cores, and bytes per second read from memory."""
    rates: dict[str, float] = {}
    for dtype in (np.float64, np.float32):
        A = np.random.default_rng(0).standard_normal((_N, _N)).astype(dtype)
        rates[f"{np.dtype(dtype).name} multiply-adds per second"] = _N**3 / _shortest(lambda A=A: A @ A)
    long = np.ones(_BYTES // 8)
    # A product with one column reads the matrix once, and BLAS uses all cores for it.
    rates["bytes per second"] = _BYTES / _shortest(lambda: long.reshape(-1, 256) @ np.ones(256))
    return rates


def _shortest(function: Any) -> float:
    seconds = []
    for _ in range(7):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        if package == "sklearn-l2":
            import sklearn_l2

            return sklearn_l2.__version__
        return None


def _matters(variable: str) -> bool:
    return variable.startswith(("OMP_", "OPENBLAS_", "MKL_", "BLIS_"))


def _processor() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
