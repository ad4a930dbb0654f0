"""scikit-learn's own tests of GridSearchCV, with LambdaSearchCV in its place."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

if not find_spec("sklearn.model_selection.tests"):
    pytest.skip("scikit-learn came without its tests", allow_module_level=True)

NOT_FOR_US = {
    "test_search_callbacks": "callbacks are not called where candidates are batched, which a warning says",
    "test_random_search": "these know RandomizedSearchCV only",
    "test_n_features_in": "it boosts trees for many seconds; there is a test of n_features_in_ of our own",
}


def run_their_tests(where, swap, *options):
    """How many of their tests pass, and how often LambdaSearchCV is fitted there; all must pass."""
    tests = Path(__file__).parent
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "swap_grid_search", "-p", "no:cacheprovider"),
            *("--disable-warnings", "--pyargs", "sklearn.model_selection.tests.test_search", *options),
        ],
        cwd=where,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tests), str(tests.parent)]), "SWAP": swap},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    return (int(re.search(pattern, done.stdout)[1]) for pattern in (r"(\d+) passed", r"(\d+) fits of LambdaSearchCV"))


@pytest.mark.slow
def test_candidates_one_by_one(tmp_path):
    n_passed, n_fits = run_their_tests(tmp_path, "one by one", "-k", f"not ({' or '.join(NOT_FOR_US)})")
    assert n_passed > 100
    assert n_fits > 100


@pytest.mark.slow
def test_callbacks_where_nothing_is_batched(tmp_path):
    pytest.importorskip("sklearn.callback")  # from scikit-learn 1.9 on
    n_passed, n_fits = run_their_tests(tmp_path, "as it is", "-k", "test_search_callbacks")
    assert n_passed > 10
    assert n_fits > 3
