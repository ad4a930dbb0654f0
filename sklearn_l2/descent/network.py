"""Networks of L layers: forward, backward, the data part of J. P networks of one shape are solved side by side.

    A[0] = X,  A[l] = g(A[l-1] W[l] + b[l]),  scores = A[L-1] W[L] + b[L]
    D[L] = slope of the loss,  D[l] = (D[l+1] W[l+1]^T) * g'(A[l]),  dW[l] = A[l-1]^T D[l],  db[l] = sum_i D[l]_i

Each problem's matrices are multiplied on their own (np.matmul over the problem axis), so that P networks trained
together have bitwise the numbers of P networks trained one by one.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.special import expit

from .batches import RowBatches, RowReader, Rows, pieces
from .outputs import Output

Floats = NDArray[np.floating]
Mask = NDArray[np.bool_]
Layers = list[Floats]

_SMALLEST_PIECE = 1024  # rows; longer batches are summed piece by piece, so that the buffers stay small
_PIECE_ELEMENTS = 2**20


def _multiply_by_logistic_slope(A: Floats, D: Floats) -> None:
    D *= A
    np.subtract(1, A, out=A)
    D *= A


def _multiply_by_tanh_slope(A: Floats, D: Floats) -> None:
    A *= A
    np.subtract(1, A, out=A)
    D *= A


def _multiply_by_relu_slope(A: Floats, D: Floats) -> None:
    np.greater(A, 0, out=A)
    D *= A


def _relu(Z: Floats) -> None:
    np.maximum(Z, np.zeros(Z.shape[-1], Z.dtype), out=Z)  # the scalar 0 takes numpy twice as long in float32


# Per activation g: Z := g(Z), and D := D * g'(Z) given A = g(Z), which is overwritten.
_ACTIVATIONS: dict[str, tuple[Callable[[Floats], Any], Callable[[Floats, Floats], None]]] = {
    "identity": (lambda Z: None, lambda A, D: None),
    "logistic": (lambda Z: expit(Z, out=Z), _multiply_by_logistic_slope),
    "tanh": (lambda Z: np.tanh(Z, out=Z), _multiply_by_tanh_slope),
    "relu": (_relu, _multiply_by_relu_slope),
}


class Network:
    """Layer sizes (n_features, ..., K), the activation of the hidden layers, and the output.

    The parameters of P networks are one array (P, n_params): the weights of all layers in `params[:, :n_weights]`,
    after them the biases.
    """

    def __init__(self, sizes: Sequence[int], activation: str, output: Output) -> None:
        self.sizes = tuple(sizes)
        self.activation = activation
        self.output = output
        self.shapes = list(itertools.pairwise(self.sizes))
        self.n_weights = sum(n_in * n_out for n_in, n_out in self.shapes)
        self.n_params = self.n_weights + sum(self.sizes[1:])
        self.rows_per_piece = max(_SMALLEST_PIECE, _PIECE_ELEMENTS // max(self.sizes))
        self._activate, self._multiply_by_slope = _ACTIVATIONS[activation]

    def views(self, params: Floats) -> tuple[Layers, Layers]:
        """Weights (P, n_in, n_out) and biases (P, 1, n_out) of all layers, as views of params (P, n_params)."""
        weights, biases = [], []
        w, b = 0, self.n_weights
        for n_in, n_out in self.shapes:
            weights.append(params[:, w : w + n_in * n_out].reshape(-1, n_in, n_out))
            biases.append(params[:, None, b : b + n_out])
            w, b = w + n_in * n_out, b + n_out
        return weights, biases

    def initial(self, random: np.random.RandomState, dtype: Any) -> Floats:
        """Parameters (1, n_params), uniform within +-sqrt(6/(n_in + n_out)), for logistic activations sqrt(2/...).

        Glorot and Bengio (2010), https://proceedings.mlr.press/v9/glorot10a.html.
        """
        params = np.empty((1, self.n_params), dtype)
        gain = 2.0 if self.activation == "logistic" else 6.0
        for (n_in, n_out), W, b in zip(self.shapes, *self.views(params), strict=True):
            bound = np.sqrt(gain / (n_in + n_out))
            W[:] = random.uniform(-bound, bound, W.shape)
            b[:] = random.uniform(-bound, bound, b.shape)
        return params

    def forward(self, X: Any, weights: Layers, biases: Layers, layers: Layers) -> Floats:
        """Fill layers (P, b, n_l) with A[1], ..., and the last with the scores, returned; X is (b, n_features)."""
        A = X
        for W, b, Z in zip(weights, biases, layers, strict=True):
            _multiply(A, W, Z)
            Z += b
            if Z is not layers[-1]:
                self._activate(Z)
            A = Z
        return layers[-1]

    def scores(self, X: Any, weights: Layers, biases: Layers) -> Iterator[tuple[Rows, Floats]]:
        """Piece by piece, rows of X (n, n_features) and their scores (P, b, K), which are the caller's to overwrite."""
        rows = RowReader(X, weights[0].dtype)
        for piece in pieces(slice(0, rows.n_rows), self.rows_per_piece):
            X_piece = rows.read(piece)
            layers = [np.empty((len(weights[0]), X_piece.shape[0], n), rows.dtype) for n in self.sizes[1:]]
            yield piece, self.forward(X_piece, weights, biases, layers)


class _Workspace:
    """Buffers for b rows and P problems: layers as `Network.forward` fills them, and D[l] of the hidden layers."""

    def __init__(self, network: Network, n_problems: int, n_rows: int, dtype: Any) -> None:
        self.layers = [np.empty((n_problems, n_rows, n), dtype) for n in network.sizes[1:]]
        self.slopes = [np.empty_like(A) for A in self.layers[:-1]]
        self.ones = np.ones((1, n_rows), dtype)


class NetworkObjective:
    """Data part of J for P networks: (1/m_p) sum_i s_ip loss_ip, and its estimates from batches of rows.

    A batch B gives n/(m |B|) sum over B of s_i loss_i: unbiased, and finite where all weights in B are zero. Another
    thread interrupts the descent by setting `cancelled`, as Ctrl-C does on the main thread.
    """

    def __init__(self, network: Network, rows: RowBatches, cancelled: threading.Event | None = None) -> None:
        self.network = network
        self.rows = rows
        self._cancelled = cancelled
        self._params: Floats = np.empty((0, 0))
        self._workspaces: dict[int, _Workspace] = {}

    def batches(self) -> Iterator[tuple[Rows, float]]:
        """The batches of one epoch and their shares of it."""
        for batch in self.rows.epoch():
            if self._cancelled is not None and self._cancelled.is_set():
                raise KeyboardInterrupt
            yield batch

    def keep(self, mask: Mask) -> None:
        """Drop problems; mask (P,)."""
        self.rows.keep(mask)
        self._workspaces.clear()

    def gradient(self, params: Floats, batch: Rows) -> tuple[Floats, Floats]:
        """Loss (P,) and gradient (P, n_params), the latter in a buffer used again."""
        if params is not self._params:
            self._bind(params)
        n_rows = batch.stop - batch.start if isinstance(batch, slice) else len(batch)
        first, *others = pieces(batch, self.network.rows_per_piece)
        loss = self._add_piece(first, 1 / n_rows, self._gradient_views)
        if others:
            addend = np.empty_like(self._gradient)
            for piece in others:
                loss += self._add_piece(piece, 1 / n_rows, self.network.views(addend))
                self._gradient += addend
        return loss, self._gradient

    def _bind(self, params: Floats) -> None:
        self._params = params
        self._params_views = self.network.views(params)
        self._gradient = np.empty_like(params)
        self._gradient_views = self.network.views(self._gradient)

    def _add_piece(self, rows: Rows, share: float, gradient: tuple[Layers, Layers]) -> Floats:
        """Write share * (gradient of the sum over rows) to the views `gradient`; return share * their losses, (P,)."""
        network = self.network
        weights, biases = self._params_views
        X = self.rows.read(rows)
        target, weight = self.rows.labels(rows)
        work = self._workspace(X.shape[0])

        scores = network.forward(X, weights, biases, work.layers)
        loss, slope = network.output.loss_and_slope(scores, target)
        slope *= share
        if weight is not None:
            loss *= weight
            slope *= weight[..., None]

        dW, db = gradient
        D = slope
        for k in range(len(weights) - 1, 0, -1):
            A = work.layers[k - 1]
            np.matmul(A.transpose(0, 2, 1), D, out=dW[k])
            np.matmul(work.ones, D, out=db[k])
            D_below = np.matmul(D, weights[k].transpose(0, 2, 1), out=work.slopes[k - 1])
            network._multiply_by_slope(A, D_below)
            D = D_below
        _multiply(X.T, D, dW[0])
        np.matmul(work.ones, D, out=db[0])
        return share * loss.sum(axis=1, dtype=np.float64)

    def _workspace(self, n_rows: int) -> _Workspace:
        n_problems = len(self._params)
        if n_rows not in self._workspaces:
            self._workspaces[n_rows] = _Workspace(self.network, n_problems, n_rows, self._params.dtype)
        return self._workspaces[n_rows]


class DevSet:
    """Rows to judge by, never trained on: X (n, n_features), targets (n, ...), weights (n,) or None for ones."""

    def __init__(self, network: Network, X: Any, target: NDArray[Any], weight: Floats | None) -> None:
        self.network = network
        self.X = X
        self.target = target
        self.weight = np.ones(X.shape[0]) if weight is None else weight
        self.m = self.weight.sum()

    def evaluate(self, params: Floats) -> tuple[Floats, Floats]:
        """Mean loss and accuracy (the share of rows that are all right) of the P networks in params (P, n_params)."""
        loss, accuracy = np.zeros((2, len(params)))
        output = self.network.output
        for rows, scores in self.network.scores(self.X, *self.network.views(params)):
            weight, target = self.weight[rows], self.target[rows]
            accuracy += (output.is_right(scores, target) * weight).sum(axis=1)
            loss += (output.loss(scores, target) * weight).sum(axis=1)
        return loss / self.m, accuracy / self.m


def _multiply(A: Any, B: Floats, out: Floats) -> None:
    """out[p] = A @ B[p]; A has the problem axis too, or is shared and perhaps sparse."""
    if sp.issparse(A):
        for B_p, out_p in zip(B, out, strict=True):
            out_p[:] = A @ B_p
    else:
        np.matmul(A, B, out=out)
