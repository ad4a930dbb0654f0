"""Pictures. matplotlib is imported only when one is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike


class LambdaCurveDisplay:
    """Train and dev loss over lambd.

    With a small lambd the training loss is low and the dev loss high (overfitting), with a large one both are
    high (underfitting); the lambd to choose lies between.

    Parameters
    ----------
    lambds : array-like of shape (n_lambds,)
        Regularization strengths, each 0 or more.
    train_loss : array-like of shape (n_lambds,)
        Mean loss on the training set.
    dev_loss : array-like of shape (n_lambds,)
        Mean loss on the dev set, or mean over folds.
    dev_loss_se : array-like of shape (n_lambds,), default=None
        Standard errors of `dev_loss`, drawn as bars.
    chosen : float, default=None
        The lambd that is marked.
    name : str, default=None
        Title of the picture.

    Attributes
    ----------
    ax_ : matplotlib Axes
        What it was drawn on.
    figure_ : matplotlib Figure
        The figure of `ax_`.
    line_ : matplotlib Line2D
        The training loss.
    errorbar_ : matplotlib ErrorbarContainer
        The dev loss.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from sklearn_l2.display import LambdaCurveDisplay
    >>> display = LambdaCurveDisplay(
    ...     [0, 0.1, 1, 10],
    ...     [0.01, 0.05, 0.1, 0.3],
    ...     [0.9, 0.2, 0.15, 0.31],
    ...     dev_loss_se=[0.2, 0.04, 0.02, 0.03],
    ...     chosen=1,
    ... )
    >>> display = display.plot(Figure().subplots())
    >>> display.ax_.get_xlabel()
    'lambd'
    """

    def __init__(
        self,
        lambds: ArrayLike,
        train_loss: ArrayLike,
        dev_loss: ArrayLike,
        *,
        dev_loss_se: ArrayLike | None = None,
        chosen: float | None = None,
        name: str | None = None,
    ) -> None:
        self.lambds = lambds
        self.train_loss = train_loss
        self.dev_loss = dev_loss
        self.dev_loss_se = dev_loss_se
        self.chosen = chosen
        self.name = name

    def plot(self, ax: Any = None) -> LambdaCurveDisplay:
        """Draw the curves.

        The axis of lambd is logarithmic, with a place for 0 at its left. Where the dev losses differ more than
        tenfold, so is the axis of the loss, down to a tenth of the lowest dev loss.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            Where to draw. None makes a figure with `matplotlib.pyplot`.

        Returns
        -------
        self : LambdaCurveDisplay
            The display, with its attributes set.

        Raises
        ------
        ImportError
            If `ax` is None and matplotlib is not installed.
        """
        if ax is None:
            import matplotlib.pyplot as plt

            _, ax = plt.subplots()
        lambds = np.asarray(self.lambds, dtype=float)
        positive = lambds[lambds > 0]
        if len(positive) > 1:
            ax.set_xscale("symlog", linthresh=positive.min())
        (self.line_,) = ax.plot(lambds, self.train_loss, "o-", color="tab:blue", label="train")
        self.errorbar_ = ax.errorbar(
            lambds,
            self.dev_loss,
            yerr=self.dev_loss_se,
            fmt="s-",
            capsize=3,
            color="tab:orange",
            label="dev +- 1 se",
        )
        if self.chosen is not None:
            ax.axvline(self.chosen, linestyle="--", color="gray", zorder=0, label=f"chosen: {self.chosen:g}")
        lowest, highest = np.min(self.dev_loss), np.max(self.dev_loss)
        if highest > 10 * lowest > 0:
            ax.set_yscale("log")
            ax.set_ylim(bottom=lowest / 10)
        if len(lambds) <= 10:
            ax.set_xticks(lambds, [f"{lambd:g}" for lambd in lambds])
            ax.set_xticks([], minor=True)
        ax.set(xlabel="lambd", ylabel="mean log loss", title=self.name or "")
        ax.legend()
        self.ax_, self.figure_ = ax, ax.figure
        return self
