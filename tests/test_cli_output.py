"""What `python -m sklearn_l2` saves, draws and shows."""

import io
import json
import os
import sys

import numpy as np
import pytest
from common import LOGISTIC
from sklearn.metrics import log_loss

from sklearn_l2._command.report import table
from sklearn_l2._command.tuning import split
from sklearn_l2.cli import main

pytest_plugins = ["command_fixtures"]


# Saving and drawing


def test_the_saved_pipeline_takes_the_raw_table(tmp_path, monkeypatch, outcome, run):
    pd = pytest.importorskip("pandas")
    pytest.importorskip("skops")
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "size": np.where(rng.random(200) < 0.1, np.nan, rng.normal(size=200)),
            "kind": rng.choice(["a", "b", None], 200),
            "new": rng.random(200) < 0.5,
            "known": rng.choice([True, False, None], 200),
        }
    )
    frame["y"] = np.where((frame["size"].fillna(0) + (frame["kind"] == "a") + frame["new"]) > 0.8, "yes", "no")
    frame.to_csv("d.csv", index=False)
    found = outcome("d.csv", "--target", "y", *LOGISTIC, "--save", "m.skops", "--test-size", "0")
    _, out, _ = run("d.csv", "--target", "y", *LOGISTIC, "--save", "m.skops", "--test-size", "0")
    lines = out.split("Load it with:\n")[1]
    assert all(name in out for name in found["saved"]["untrusted_types"])
    space = {}
    exec("\n".join(line.strip() for line in lines.splitlines()), space)
    raw = pd.read_csv("d.csv")
    parts = split(raw["y"].to_numpy(dtype=str), {"dev": 0.2})
    dev = raw.iloc[parts["dev"]]
    loss = log_loss(dev["y"], space["model"].predict_proba(dev.drop(columns="y")))
    assert loss == pytest.approx(found["chosen"]["dev_loss"], rel=1e-12)


def test_pictures(data, outcome):
    pytest.importorskip("matplotlib")
    assert outcome("d.npz", "--lambds", "0.1", "1", "--plot", "p.png")["plotted"] == "p.png"
    outcome("d.npz", *LOGISTIC, "--plot", "p.svg")
    with open("p.png", "rb") as png, open("p.svg") as svg:
        assert png.read(8) == b"\x89PNG\r\n\x1a\n"
        assert "<svg" in svg.read()


@pytest.mark.parametrize("option", ["--save", "--plot"])
@pytest.mark.parametrize("old", [None, b"the old file"])
def test_a_failed_write_leaves_no_half_file(data, run, monkeypatch, option, old):
    def write_half(*arguments, **_):
        target = next(each for each in arguments if hasattr(each, "write_bytes"))
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pytest.importorskip("skops.io"), "dump", write_half)
    monkeypatch.setattr(pytest.importorskip("matplotlib.figure").Figure, "savefig", write_half)
    if old:
        with open("out.png", "wb") as file:
            file.write(old)
    code, out, err = run("d.npz", *LOGISTIC, option, "out.png")
    assert code == 2
    assert "No space left on device" in err and "Traceback" not in err
    assert "Test error" in out  # the fits are not lost
    assert sorted(os.listdir()) == ["d.npz"] + ["out.png"] * bool(old)
    if old:
        with open("out.png", "rb") as file:
            assert file.read() == old


@pytest.mark.parametrize(
    ("option", "module"),
    [(["--save", "m.skops"], "skops"), (["--plot", "p.png"], "matplotlib"), (["--report", "r.html"], "matplotlib")],
)
def test_missing_extra(data, run, monkeypatch, option, module):
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    code, out, err = run("d.npz", *option)
    assert (code, out) == (2, "")
    assert f"needs {module}" in err and "pip install 'sklearn-l2[cli]'" in err


# Text


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_for_terminals_only(data, capsys, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    assert main(["d.npz", *LOGISTIC, "--lambds", "1", "10", "--json", "--cv", "2"]) == 0
    lines = terminal.getvalue().split("\r")
    assert {len(line) for line in lines} == {0, 79}
    assert [line.strip() for line in lines if line.strip()] == [
        "logistic regression ...",
        "logistic regression: 2 of 4 fits",
        "logistic regression: 4 of 4 fits",
    ]
    assert lines[-2] == " " * 79  # wiped out
    assert json.loads(capsys.readouterr().out)["n_folds"] == 2


def test_table_columns_line_up():
    text = table(["", "a", "last"], [["*", "1", "x"], ["", "222", "yy"]])
    assert text.splitlines() == ["     a  last", "*    1  x", "   222  yy"]
