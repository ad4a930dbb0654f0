"""Plain words for what the user can put right."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable
from typing import Any

import numpy as np

# The squares of larger numbers overflow when a column is scaled to unit variance.
LARGEST = 1e150


class CommandError(Exception):
    """A fault the user can mend: says what was given, what is allowed and what to do."""


def require(module: str, purpose: str) -> Any:
    """The module, or a plain message that says how to get it."""
    try:
        return importlib.import_module(module)
    except ImportError:
        package = module.partition(".")[0]
        raise CommandError(
            f"{purpose} needs {package}, which is not installed: pip install 'sklearn-l2[cli]'"
        ) from None


def listed(values: Iterable[Any], separator: str = ", ", at_most: int = 10) -> str:
    """The values as they are written in Python, cut where there are too many to read."""
    texts = [repr(value.item() if isinstance(value, np.generic) else value) for value in values]
    shown = separator.join(texts[:at_most])
    return shown if len(texts) <= at_most else f"{shown}, ... ({len(texts)} in all)"


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """A hint at the names closest to one that is not among them, whatever its case."""
    by_lower = {known.lower(): known for known in names}
    found = [by_lower[key] for key in difflib.get_close_matches(name.lower(), by_lower, n=3)]
    return f" Did you mean {listed(found, ' or ')}?" if found else ""


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its name if it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
