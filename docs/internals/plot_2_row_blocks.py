"""
The row blocks
==============

All that is read of X is read through blocks of rows. The loss, its gradient and its Hessian are sums over rows, so they
can be summed block by block, by several threads, whatever X is: dense or sparse, in memory or mapped from a file.

Blocks are small enough for the processor's cache: the scores ``X w`` and the gradient ``X.T r`` of a block are
computed one right after the other, so that X is fetched from memory once and not twice. Each thread takes the next
group that nobody has taken yet, and adds the blocks of a group up in order. In the end the sums of the groups are
added, again in order, whoever made them.
"""

import matplotlib.pyplot as plt
import numpy as np

from sklearn_l2.descent.rows import RowBlocks

X = np.random.default_rng(0).standard_normal((400_000, 20))

with RowBlocks(X) as rows:
    n_blocks, n_groups = len(rows.slices), len(rows.groups)
print(f"{n_blocks} blocks of {rows.slices[0].stop} rows each, in {n_groups} groups")

# sphinx_gallery_start_ignore
from matplotlib.patches import FancyArrowPatch, Rectangle

colors = ["#0072B2", "#E69F00"]
figure, ax = plt.subplots(figsize=(7.5, 4.6), layout="constrained")
shown, of_group = 6, 3
taken_by = [0, 1, 0, 1, 1, 0]
for group, thread in enumerate(taken_by):
    for block in range(of_group):
        y = -(group * (of_group + 0.35) + block)
        ax.add_patch(Rectangle((0, y), 3, 0.86, facecolor=colors[thread], alpha=0.75))
    middle = -(group * (of_group + 0.35) + of_group / 2 - 0.93)
    ax.add_patch(FancyArrowPatch((3.15, middle), (4.35, middle), arrowstyle="-|>", mutation_scale=13, color="0.3"))
    ax.add_patch(Rectangle((4.5, middle - 0.7), 1.1, 1.4, facecolor=colors[thread], alpha=0.75))
    ax.text(5.05, middle, f"sum {group + 1}", ha="center", va="center")
    ax.add_patch(FancyArrowPatch((5.7, middle), (6.9, middle), arrowstyle="-|>", mutation_scale=13, color="0.3"))
bottom = -(shown * (of_group + 0.35) - 0.35)
ax.annotate("", (7.3, bottom + 1), (7.3, 0.9), arrowprops={"arrowstyle": "-|>", "linewidth": 2, "color": "0.3"})
ax.text(7.55, bottom / 2 + 1, "added in this order,\nwhoever was first", va="center")
ax.text(1.5, 1.25, "X: groups of blocks of rows", ha="center")
ax.text(5.05, 1.25, "sums of groups", ha="center")
for thread, color in enumerate(colors):
    ax.add_patch(Rectangle((7.55, -1.2 - 1.6 * thread), 0.5, 0.9, facecolor=color, alpha=0.75))
    ax.text(8.25, -0.75 - 1.6 * thread, f"thread {thread + 1}", va="center")
ax.set_xlim(-0.1, 10)
ax.set_ylim(bottom + 0.7, 2.1)
ax.axis("off")
plt.show()
# sphinx_gallery_end_ignore

# %%
# The same bits on any number of threads
# --------------------------------------
#
# Rounding depends on the order in which numbers are added. How rows are cut into blocks and groups depends on the shape
# of X and on scikit-learn's ``working_memory`` alone, and the order of the sums on nothing. So the number of threads
# changes the time, and not a single bit of the result:


def gradient(block, at, total):
    total += block.T @ np.tanh(block @ np.ones(20))


sums = []
for n_threads in (1, 2, 3):
    with RowBlocks(X, n_threads=n_threads) as rows:
        sums += rows.sum_blocks(gradient, (20,))
[bool((total == sums[0]).all()) for total in sums]

# %%
# What follows from it
# --------------------
#
# - Data larger than memory need no other code: a block of ``np.load(..., mmap_mode="r")`` is read when its turn comes.
# - BLAS is held to one thread meanwhile, since the blocks are what runs side by side. Afterwards its limits are as
#   before.
# - A fit inside a worker process of joblib uses the threads that joblib leaves to it.
