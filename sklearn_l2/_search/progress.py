"""Lines in scikit-learn's manner on what a search has finished, and on what has failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from joblib.logger import short_format_time

WIDTH = 100


def finished(
    place: str, candidates: Sequence[Mapping[str, Any]], outcomes: Sequence[Mapping[str, Any]] | None, seconds: float
) -> str:
    """On candidates that differ in one number at most, with the scores of their outcomes where these are given."""
    begin = f"[CV {place}] END "
    texts = [_parameters(candidates), *([] if outcomes is None else _scores(outcomes))]
    end = f" {'; '.join(texts)}; total time={short_format_time(seconds)}"
    return begin + end.rjust(WIDTH - len(begin), ".")


def last_error(traceback: str) -> str:
    """The error that a traceback ends with, and the first line of its message."""
    lines = traceback.splitlines()
    frame = max((i for i, line in enumerate(lines) if line.startswith("  File ")), default=0)
    line = next((line for line in lines[frame:] if not line.startswith(" ")), lines[-1])
    name, colon, message = line.partition(":")
    return f"{name.rpartition('.')[2]}{colon}{message}"


def _parameters(candidates: Sequence[Mapping[str, Any]]) -> str:
    texts = []
    for key in sorted(candidates[0]):
        values = [candidate[key] for candidate in candidates]
        shared = all(value is values[0] for value in values)
        texts.append(f"{key}={values[0]}" if shared else f"{key}={min(values):g}..{max(values):g} ({len(values)})")
    return ", ".join(texts)


def _scores(outcomes: Sequence[Mapping[str, Any]]) -> list[str]:
    texts = []
    for name in sorted(_by_name(outcomes[0]["test_scores"])):
        test, train = (
            _span([_by_name(each[side])[name] for each in outcomes if side in each])
            for side in ("test_scores", "train_scores")
        )
        texts.append(f"{name}=(train={train}, test={test})" if train else f"{name}={test}")
    return texts


def _by_name(scores: Any) -> Mapping[str, float]:
    return scores if isinstance(scores, Mapping) else {"score": scores}


def _span(values: Sequence[float]) -> str:
    return "..".join(f"{value:.3f}" for value in sorted({min(values), max(values)})) if values else ""
