"""Fixtures of the tests that run `python -m sklearn_l2` in this process: its data files and what it prints.

PYTEST_DONT_REWRITE: looking for doctests here imports this module before it is loaded as a plugin.
"""

import json

import numpy as np
import pytest
from sklearn.datasets import make_classification

from sklearn_l2.cli import main


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A file of 150 rows in the working directory; returns its arrays."""
    monkeypatch.chdir(tmp_path)
    X, y = make_classification(150, 6, n_informative=3, flip_y=0.2, random_state=3)
    y = np.array(["no", "yes"])[y]
    np.savez("d.npz", X=X, y=y)
    return X, y


@pytest.fixture
def frame():
    """Numbers, text and booleans, with gaps, that say something about the target."""
    pd = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    size = rng.normal(size=120)
    kind = np.where(size + rng.normal(size=120) > 0, "long", "short")
    return pd.DataFrame(
        {
            "size": np.where(rng.random(120) < 0.1, np.nan, size),
            "weight": rng.normal(1000, 300, size=120),
            "kind": np.where(rng.random(120) < 0.1, None, kind),
            "new": rng.random(120) < 0.5,
            "y": np.where(size + 0.5 * rng.normal(size=120) > 0, "yes", "no"),
        }
    )


@pytest.fixture
def run(capsys):
    """Run in this process: exit code, stdout, stderr."""

    def call(*arguments):
        code = main([str(argument) for argument in arguments])
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def outcome(run):
    """The JSON object of a run that went well."""

    def call(*arguments):
        code, out, err = run(*arguments, "--json")
        if (code, err) != (0, ""):
            pytest.fail(f"exit code {code}: {err}")
        return json.loads(out, parse_constant=pytest.fail)

    return call
