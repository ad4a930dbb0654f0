"""`python -m sklearn_l2` in a process of its own."""

import os
import re
import subprocess
import sys

import numpy as np
from common import LOGISTIC

import sklearn_l2

pytest_plugins = ["command_fixtures"]

VERDICTS = {"overfitting", "just right", "underfitting"}


def process(*arguments, script=None, environment=(), **options):
    """Run in a process of its own, as the module or as a script, with this very package."""
    start = ["-m", "sklearn_l2"] if script is None else ["-c", script]
    root = os.path.dirname(os.path.dirname(sklearn_l2.__file__))
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
    return subprocess.run(
        [sys.executable, *start, *arguments],
        env=os.environ | {"PYTHONPATH": root} | dict(environment),
        text=True,
        timeout=300,
        check=False,
        **options,
    )


WITHOUT_EXTRAS = """
import sys

class Hidden:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in {"pandas", "pyarrow", "skops", "matplotlib"}:
            raise ImportError(name)

sys.meta_path.insert(0, Hidden())
from sklearn_l2.cli import main
from sklearn_l2.logistic import L2LogisticRegression
from sklearn_l2.mlp import L2MLPClassifier
sys.exit(main())
"""


# The run without arguments


def test_without_arguments():
    done = process()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.isascii()
    assert max(map(len, done.stdout.splitlines())) <= 80
    for title in ("Logistic regression", "Neural network"):
        lines = done.stdout.split(f"{title}\n")[1].splitlines()
        assert re.split(r"\s{2,}", lines[0].strip()) == [
            "lambd",
            "||W||",
            "train err",
            "dev err",
            "dev loss +- se",
            "verdict",
        ]
        rows = [re.split(r"\s{2,}", line.lstrip("* ")) for line in lines[1:7]]
        assert [row[0] for row in rows] == ["0", "0.01", "0.1", "1", "10", "100"]
        norms = [float(row[1]) for row in rows]
        assert norms == sorted(norms, reverse=True)
        assert {row[-1] for row in rows} <= VERDICTS
        assert sum(line.startswith("*") for line in lines[1:7]) == 1
    assert re.search(
        r"^Chosen by the lowest dev loss: (logistic regression|neural network), lambd = ", done.stdout, re.M
    )
    assert re.search(r"^Test error: \d+\.\d\d% \(\d+ of 114 rows\)", done.stdout, re.M)


def test_without_arguments_needs_scikit_learn_only():
    done = process(*LOGISTIC, script=WITHOUT_EXTRAS)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Test error" in done.stdout


# Exit codes and streams


def test_faults_in_a_process_of_its_own(tmp_path):
    done = process("absent.csv", "--target", "y", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: no such file: absent.csv\n"


def test_labels_the_terminal_cannot_show(tmp_path):
    np.savez(tmp_path / "\u00e9.npz", X=np.arange(40.0)[:, None], y=["no", "\u00fc"] * 20)
    done = process("\u00e9.npz", *LOGISTIC, cwd=tmp_path, environment={"PYTHONIOENCODING": "ascii"})
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\xe9.npz" in done.stdout


def test_a_reader_that_leaves_early(data):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        done = process("d.npz", *LOGISTIC, "--lambds", "1", stdout=closed)
    assert (done.returncode, done.stderr) == (1, "")
