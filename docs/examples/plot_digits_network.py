"""
Digits: a network, ``lambd`` and when to stop
=============================================

Which digit is this? 8 x 8 grey pixels, 10 classes. A network with 100 hidden units has 7 510 parameters, and here
only 200 rows to learn them from: it can learn these rows by heart. Two things hold it back, a penalty and an early
end of the training. The dev set chooses both.
"""

# %%
# The same network for several strengths
# --------------------------------------
# ``LambdaSearchCV`` trains one network for each ``lambd``. All start from the same weights (``random_state``) and see
# the rows in the same order, so that they differ in ``lambd`` only. ``n_iter_no_change=np.inf`` lets each use all of
# its 80 epochs. A network that ends there warns that it might go on; here it is meant, and the warning is switched
# off.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from sklearn_l2 import L2MLPClassifier, LambdaSearchCV
from sklearn_l2.display import LambdaCurveDisplay, LossCurveDisplay

warnings.simplefilter("ignore", ConvergenceWarning)
X, y = load_digits(return_X_y=True)
X = X / 16  # pixels from 0 to 1
X_train, X_rest, y_train, y_rest = train_test_split(X, y, train_size=200, stratify=y, random_state=0)
X_dev, X_test, y_dev, y_test = train_test_split(X_rest, y_rest, test_size=0.5, stratify=y_rest, random_state=0)

network = L2MLPClassifier(
    (100,), learning_rate_init=0.01, batch_size=50, max_iter=80, n_iter_no_change=np.inf, random_state=0
)
search = LambdaSearchCV(network, (0, 0.01, 0.03, 0.1, 0.3, 1, 3, 10), scoring="neg_log_loss")
search.fit(X_train, y_train, X_val=X_dev, y_val=y_dev)
print(search.lambda_table())

# %%
# Every network up to ``lambd=1`` gets all of its training rows right. What they cost on the dev set differs all the
# same.

LambdaCurveDisplay.from_search(search, name="A network on 200 digits")
plt.show()

table = search.lambda_table()
assert table["train_error"][0] == 0
assert table["dev_loss"][0] > 1.1 * table["dev_loss"].min()
assert 0 < search.best_params_["lambd"] < 3

# %%
# Epoch by epoch
# --------------
# Without a penalty the loss on the dev set first falls, then rises for the rest of the training: the network grows
# ever more certain of its answers, the wrong ones too. With the chosen ``lambd`` it stays down.

free = L2MLPClassifier(**{**network.get_params(), "lambd": 0}).fit(X_train, y_train, X_val=X_dev, y_val=y_dev)
chosen = search.best_estimator_
# sphinx_gallery_thumbnail_number = 2
_, axes = plt.subplots(1, 2, figsize=(11, 4.5), sharey=True, layout="constrained")
LossCurveDisplay.from_estimator(free, ax=axes[0], name="lambd = 0")
LossCurveDisplay.from_estimator(chosen, ax=axes[1], name=f"lambd = {chosen.lambd:g}")
axes[0].set_ylim(0, 0.7)  # the first epochs are cut off
plt.show()

for model in (free, chosen):
    curve = model.validation_loss_curve_
    print(f"lambd={model.lambd:g}: least dev loss {min(curve):.3f}, at the end {curve[-1]:.3f}")
assert free.validation_loss_curve_[-1] > 1.1 * min(free.validation_loss_curve_)
assert chosen.validation_loss_curve_[-1] < 1.1 * min(chosen.validation_loss_curve_)

# %%
# Early stopping
# --------------
# ``early_stopping=True`` ends the training when the accuracy on the dev set stalls, and goes back to the weights of
# the best epoch. Here that saves epochs; the penalty does more for the loss.

stopped = L2MLPClassifier(**{**network.get_params(), "lambd": 0, "early_stopping": True, "n_iter_no_change": 10})
stopped.fit(X_train, y_train, X_val=X_dev, y_val=y_dev)
print(f"stopped after {stopped.n_iter_} of {network.max_iter} epochs")


def mean_loss(model):
    """On the test set, of which none of the models knows."""
    return -np.log(model.predict_proba(X_test)[np.arange(len(y_test)), y_test]).mean()


for name, model in (("neither", free), ("early stopping", stopped), ("penalty", chosen)):
    print(f"{name:15} test log loss {mean_loss(model):.3f}, accuracy {model.score(X_test, y_test):.3f}")
assert stopped.n_iter_ < network.max_iter
assert mean_loss(chosen) < min(mean_loss(free), mean_loss(stopped))
