"""Candidates of a search: a sequence of lambdas as a grid, and which candidates differ in lambd only."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.pipeline import Pipeline


def full_grid(estimator: Any, param_grid: Any) -> Any:
    """`param_grid` as GridSearchCV takes it: of a sequence of lambdas a grid over the estimator's one `lambd`."""
    if isinstance(estimator, type):
        raise TypeError(f"estimator is the class {estimator.__name__}; give an instance: {estimator.__name__}().")
    if isinstance(param_grid, Mapping):
        return param_grid
    if isinstance(param_grid, np.ndarray) and param_grid.ndim != 1:
        raise TypeError(
            f"param_grid must have one axis, as [0.1, 1, 10] has; got an array of shape {param_grid.shape}."
        )
    if any(isinstance(grid, Mapping) for grid in param_grid):
        return param_grid
    lambds = list(param_grid)
    wrong = [lambd for lambd in lambds if not is_number(lambd)]
    if wrong:
        raise TypeError(
            f"param_grid must be a dict, a list of dicts or a sequence of lambdas, which are numbers; got {wrong[0]!r}."
        )
    return {lambd_parameter(estimator): lambds}


def is_number(lambd: Any) -> bool:
    """Whether it can be a lambda; a boolean cannot."""
    return isinstance(lambd, Real) and not isinstance(lambd, bool)


def lambd_parameter(estimator: Any) -> str:
    """The full name of the only parameter that is called `lambd`."""
    names = sorted(name for name in estimator.get_params() if name.split("__")[-1] == "lambd")
    if not names:
        raise TypeError(
            f"{type(estimator).__name__} has no parameter lambd that a sequence of lambdas could be for. "
            "Name the parameter: param_grid={'name': [...]}, as in GridSearchCV."
        )
    if len(names) > 1:
        raise ValueError(
            f"{type(estimator).__name__} has {len(names)} parameters lambd: {', '.join(names)}. "
            f"Name the one to search: param_grid={{{names[0]!r}: [...]}}."
        )
    return names[0]


def last_step(estimator: Any) -> Any:
    """The classifier at the end of a Pipeline, or the estimator itself."""
    return estimator.steps[-1][1] if type(estimator) is Pipeline else estimator


@dataclass
class Group:
    """Candidates that differ in lambd only.

    `estimator` has all their other parameters; `lambds` are their distinct lambdas in rising order, and candidate
    `candidates[i]` has `lambds[place[i]]`.
    """

    estimator: Any
    candidates: NDArray[np.intp]
    lambds: NDArray[np.float64]
    place: NDArray[np.intp]

    def with_lambd(self, k: int) -> Any:
        """An unfitted estimator with lambda number k."""
        estimator = clone(self.estimator)
        last_step(estimator).set_params(lambd=float(self.lambds[k]))
        return estimator


def group_candidates(
    estimator: Any, candidates: Sequence[Mapping[str, Any]], can_batch: Callable[[Any], bool]
) -> tuple[list[Group], list[int]]:
    """Groups of candidates whose estimator `can_batch`, and the numbers of the candidates that are left over."""
    name = f"{estimator.steps[-1][0]}__lambd" if type(estimator) is Pipeline else "lambd"
    members: dict[Any, list[int]] = {}
    for i, candidate in enumerate(candidates):
        # Values of one grid are the same objects in all of its candidates; not all of them can be hashed or compared.
        rest = tuple((key, id(value)) for key, value in candidate.items() if key != name)
        members.setdefault(rest, []).append(i)
    groups = [_group(estimator, name, candidates, indices, can_batch) for indices in members.values()]
    found = [group for group in groups if group is not None]
    batched = {i for group in found for i in group.candidates.tolist()}
    return found, [i for i in range(len(candidates)) if i not in batched]


def _group(
    estimator: Any,
    name: str,
    candidates: Sequence[Mapping[str, Any]],
    indices: list[int],
    can_batch: Callable[[Any], bool],
) -> Group | None:
    shared = {key: value for key, value in candidates[indices[0]].items() if key != name}
    try:
        estimator = clone(estimator).set_params(**clone(shared, safe=False))
        if not can_batch(estimator):
            return None
        classifier = last_step(estimator)
        lambds = {i: candidates[i].get(name, classifier.lambd) for i in indices}
        usable = [i for i in indices if _is_usable(lambds[i])]
        classifier.set_params(lambd=1.0)._validate_params()
    except Exception:  # its own fit will say what is wrong
        return None
    if not usable:
        return None
    distinct, place = np.unique([float(lambds[i]) for i in usable], return_inverse=True)
    return Group(estimator, np.array(usable), distinct, place)


def _is_usable(lambd: Any) -> bool:
    """Whether a fit with it would not be refused."""
    return is_number(lambd) and 0 <= float(lambd) < np.inf
