"""
Text: sparse columns, many classes
==================================

Which part of SciPy does this documentation describe? The texts are the docstrings of the SciPy that is installed
here, the ten classes are ten of its subpackages: a real text set that every installation has. TF-IDF makes of each
text a sparse row with a column per word.
"""

# %%
# The texts
# ---------
# Code examples and the word "scipy" with all that is dotted to it are taken out, since they would give the answer
# away. Docstrings of one file resemble one another. So whole files go to the training, dev or test set; else the dev
# set would be too easy.

import re
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import scipy
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline

from sklearn_l2 import L2LogisticRegression, LambdaSearchCV
from sklearn_l2.display import LambdaCurveDisplay

topics = "integrate interpolate linalg ndimage optimize signal sparse spatial special stats".split()
texts, y, files = [], [], []
for topic in topics:
    for path in sorted((Path(scipy.__file__).parent / topic).rglob("*.py")):
        if "tests" not in path.parts:
            for text in re.findall(r'"""(.{200,}?)"""', path.read_text(encoding="utf-8"), re.DOTALL):
                texts.append(re.sub(r"^\s*(>>>|\.\.\.).*$|scipy[.\w]*", "", text, flags=re.MULTILINE))
                y.append(topic)
                files.append(str(path))
texts, y = np.array(texts, dtype=object), np.array(y)

parts = [rows for _, rows in StratifiedGroupKFold(4, shuffle=True, random_state=0).split(texts, y, files)]
test, dev, train = parts[0], parts[1], np.concatenate(parts[2:])
print(f"SciPy {scipy.__version__}: {len(texts)} docstrings in {len(set(files))} files")
print(len(train), "texts to train on,", len(dev), "to choose lambd by,", len(test), "to judge by")

# %%
# The search
# ----------
# The words are counted once, in the training texts, and the sparse matrix serves every ``lambd``. It is never made
# dense.

pipeline = make_pipeline(
    TfidfVectorizer(sublinear_tf=True, min_df=2, token_pattern=r"[a-z]{3,}"), L2LogisticRegression()
)
search = LambdaSearchCV(pipeline, (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3), scoring="neg_log_loss")
search.fit(texts[train], y[train], X_val=texts[dev], y_val=y[dev])
print(search.lambda_table())

# %%
# Small strengths, large weights
# ------------------------------
# TF-IDF rows have length 1, so their columns are small and the weights have to be large: the best ``lambd`` lies well
# below 1, the default. A range of strengths that suits standardized columns would miss it.

LambdaCurveDisplay.from_search(search, name="Docstrings of ten subpackages")
plt.show()

vectorizer, model = search.best_estimator_
print(f"{vectorizer.transform(texts[train]).shape[1]} words, lambd={model.lambd:.2g}")
table = search.lambda_table()
assert model.lambd < 0.5
assert table["dev_loss"][0] > 1.1 * table["dev_loss"].min()
assert table["dev_loss"][-1] > 1.1 * table["dev_loss"].min()

# %%
# The words that tell
# -------------------
# The largest weights of each class can be read.

words = vectorizer.get_feature_names_out()
for topic, weights in zip(model.classes_, model.coef_, strict=True):
    print(f"{topic:12}", ", ".join(words[np.argsort(-weights)[:5]]))

accuracy = search.best_estimator_.score(texts[test], y[test])
most_frequent = np.mean(y[test] == max(topics, key=list(y[train]).count))
print(f"test accuracy {accuracy:.2f}; always the most frequent class: {most_frequent:.2f}")
assert accuracy > 1.5 * most_frequent
assert "spline" in words[np.argsort(-model.coef_[topics.index("interpolate")])[:5]]
