"""Update rules: what turns the gradient of J into the next parameters, in place.

Parameters are (P, ...), one row per problem. The rules of networks take a `LearningRate`, one alpha per problem that
may change from epoch to epoch; what they remember from step to step can be handed to a later descent.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .penalties import L2, decay_factor

Floats = NDArray[np.floating]
Mask = NDArray[np.bool_]
Memory = dict[str, Any]


class GradientDescent:
    """W := W - alpha dW with a constant learning rate alpha."""

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = learning_rate

    def step(self, params: Floats, gradient: Floats) -> None:
        """params (P, ...), gradient of the same shape."""
        params -= self.learning_rate * gradient

    def keep(self, mask: Mask) -> None:
        """Nothing is remembered per problem."""


class LearningRate:
    """A constant learning rate: `value` (P,) is each problem's alpha."""

    def __init__(self, initial: float, n_problems: int) -> None:
        self.initial = initial
        self.value = np.full(n_problems, initial, dtype=np.float64)

    def of(self, params: Floats, factor: float = 1.0) -> Floats:
        """factor * alpha, shaped and typed to multiply params (P, n_params)."""
        return (factor * self.value).astype(params.dtype)[:, None]

    def end_epoch(self) -> None:
        """Called after each epoch."""

    def give_up(self, stalled: Mask) -> Mask:
        """Which problems, of those that no longer improve (P,), shall stop; the others go on with a smaller alpha."""
        return stalled

    def keep(self, mask: Mask) -> None:
        """Drop problems; mask (P,)."""
        self.value = self.value[mask]

    def memory(self) -> Memory:
        return {}

    def resume(self, memory: Memory) -> None:
        """Go on from an earlier descent's memory."""


class InverseScaling(LearningRate):
    """alpha / (t + 1)^power, where t counts the rows seen so far, n_rows more with each epoch."""

    def __init__(self, initial: float, n_problems: int, *, power: float, n_rows: int, seen: int = 0) -> None:
        super().__init__(initial, n_problems)
        self.power = power
        self.n_rows = n_rows
        self._set(seen)

    def end_epoch(self) -> None:
        self._set(self.seen + self.n_rows)

    def _set(self, seen: int) -> None:
        self.seen = seen
        self.value[:] = self.initial / (seen + 1) ** self.power


class Adaptive(LearningRate):
    """alpha, divided by 5 whenever a problem no longer improves, until it is 1e-6 or less."""

    def give_up(self, stalled: Mask) -> Mask:
        too_small = self.value <= 1e-6
        self.value[stalled] /= 5
        return stalled & too_small

    def memory(self) -> Memory:
        return {"reduction": self.value / self.initial}

    def resume(self, memory: Memory) -> None:
        self.value *= memory.get("reduction", 1.0)


class Momentum:
    """V := beta V - alpha dW, then W := W + V, or with Nesterov's look-ahead W := W + beta V - alpha dW.

    Sutskever et al. (2013), https://proceedings.mlr.press/v28/sutskever13.html.
    """

    def __init__(
        self, learning_rate: LearningRate, params: Floats, *, momentum: float = 0.0, nesterov: bool = False
    ) -> None:
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.nesterov = nesterov
        self.velocity = np.zeros_like(params)
        self._scratch = np.empty_like(params)

    def step(self, params: Floats, gradient: Floats) -> None:
        """params and gradient (P, n_params)."""
        velocity, scratch = self.velocity, self._scratch
        np.multiply(gradient, self.learning_rate.of(params), out=scratch)
        velocity *= self.momentum
        velocity -= scratch
        if self.nesterov:
            params -= scratch
            np.multiply(velocity, self.momentum, out=scratch)
            params += scratch
        else:
            params += velocity

    def keep(self, mask: Mask) -> None:
        """Drop problems; mask (P,)."""
        self.learning_rate.keep(mask)
        self.velocity, self._scratch = self.velocity[mask], self._scratch[mask]

    def memory(self) -> Memory:
        return {"velocity": self.velocity, **self.learning_rate.memory()}

    def resume(self, memory: Memory) -> None:
        """Go on from an earlier descent's memory."""
        self.velocity[:] = memory["velocity"]
        self.learning_rate.resume(memory)


class Adam:
    """W := W - alpha m^ / (sqrt(v^) + epsilon'), with running means m^ of dW and v^ of dW^2, freed of their bias.

    Kingma and Ba (2015), https://arxiv.org/abs/1412.6980, with epsilon' = epsilon/sqrt(1 - beta_2^t) as at the end of
    their section 2. Kept are the sums M = m/(1 - beta_1) and V = v/(1 - beta_2): M := beta_1 M + dW is less work.
    """

    def __init__(
        self, learning_rate: LearningRate, params: Floats, *, beta_1: float, beta_2: float, epsilon: float
    ) -> None:
        self.learning_rate = learning_rate
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.t = 0
        self.first, self.second = np.zeros_like(params), np.zeros_like(params)
        self._scratch = np.empty_like(params)

    def step(self, params: Floats, gradient: Floats) -> None:
        """params and gradient (P, n_params)."""
        M, V, scratch = self.first, self.second, self._scratch
        self.t += 1
        M *= self.beta_1
        M += gradient
        np.square(gradient, out=scratch)
        V *= self.beta_2
        V += scratch

        root = (1 - self.beta_2) ** 0.5
        bias = (1 - self.beta_2**self.t) ** 0.5 / (1 - self.beta_1**self.t)
        np.sqrt(V, out=scratch)
        scratch += self.epsilon / root
        np.divide(M, scratch, out=scratch)
        scratch *= self.learning_rate.of(params, bias * (1 - self.beta_1) / root)
        params -= scratch

    def keep(self, mask: Mask) -> None:
        """Drop problems; mask (P,)."""
        self.learning_rate.keep(mask)
        self.first, self.second = self.first[mask], self.second[mask]
        self._scratch = self._scratch[mask]

    def memory(self) -> Memory:
        return {"t": self.t, "first": self.first, "second": self.second}

    def resume(self, memory: Memory) -> None:
        """Go on from an earlier descent's memory."""
        self.t = memory["t"]
        self.first[:], self.second[:] = memory["first"], memory["second"]


class DecoupledL2(L2):
    """The L2 penalty for descents that decay weights apart from the gradient: in J, but not in the gradient."""

    def add_gradient(self, params: Floats, gradient: Floats) -> None:
        """Nothing; `WeightDecay` does it."""


class WeightDecay:
    """W := (1 - alpha lambda/m) W before each step of another rule, which sees the data's gradient alone.

    Loshchilov and Hutter (2019), https://arxiv.org/abs/1711.05101: AdamW with Adam, SGDW with momentum; with plain
    descent it is the same step as with the penalty in the gradient.
    """

    def __init__(self, rule: Momentum | Adam, penalty: DecoupledL2) -> None:
        self.rule = rule
        self.penalty = penalty

    def step(self, params: Floats, gradient: Floats) -> None:
        """params and gradient (P, n_params)."""
        W = params[self.penalty.part]
        factor = decay_factor(self.rule.learning_rate.value, self.penalty.lambd, self.penalty.m)
        W *= factor.astype(params.dtype)[:, None]
        self.rule.step(params, gradient)

    def keep(self, mask: Mask) -> None:
        """Drop problems; mask (P,). The penalty, which the loop keeps current, is not touched."""
        self.rule.keep(mask)


def largest_learning_rate(lambd: float, m: float, *, momentum: float = 0.0, nesterov: bool = False) -> float:
    """From this alpha on the penalty alone makes the weights grow without bound (inf where lambda is 0).

    On the quadratic (lambda/2m) w^2 the iteration contracts for alpha lambda/m < 2 without momentum, < 2 (1 + beta)
    with heavy-ball momentum, and < (2 + 2 beta)/(1 + 2 beta) with Nesterov's.
    """
    bound = 2 * (1 + momentum) / (1 + 2 * momentum) if nesterov else 2 * (1 + momentum)
    return bound * m / lambd if lambd > 0 else float("inf")
