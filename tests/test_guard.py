"""The guard of the benchmarks: what it says of given ratios. Nothing is timed."""

import json

import pytest

from benchmarks import guard

pytestmark = pytest.mark.slow


@pytest.fixture
def measured(monkeypatch, tmp_path):
    """Ratios to be measured, by name; a file with others, recorded before."""
    ratios = {"fit": 4.0, "search": 10.0}
    monkeypatch.setattr(guard, "RECORDED", tmp_path / "guard.json")
    monkeypatch.setattr(guard, "pairs", lambda: {name: name for name in ratios})
    monkeypatch.setattr(guard, "measure", ratios.__getitem__)
    guard.RECORDED.write_text(json.dumps({"fit": 4.0, "search": 10.0}))
    return ratios


@pytest.mark.parametrize(("search", "code"), [(12.0, 0), (10.0, 0), (8.0, 0), (7.99, 1), (0.1, 1)])
def test_a_ratio_may_fall_to_four_fifths(measured, search, code, capsys):
    measured["search"] = search
    assert guard.main([]) == code
    assert capsys.readouterr().err.startswith("search: " if code else "")


def test_recorded_is_what_is_compared_with_next(measured):
    measured["search"] = 5.0
    assert guard.main([]) == 1
    assert guard.main(["--record"]) == 0
    assert guard.main([]) == 0
    measured["search"] = 3.9
    assert guard.main([]) == 1


def test_a_comparison_that_was_not_recorded_is_an_error(measured):
    measured["network"] = 2.0
    with pytest.raises(ValueError, match="--record"):
        guard.main([])


def test_the_file_in_the_repository_has_the_five():
    assert json.loads(guard.RECORDED.read_text(encoding="utf-8")).keys() == guard.pairs().keys()
    assert len(guard.pairs()) == 5


def test_the_ratio_is_the_median_of_pairs_without_the_first(monkeypatch):
    seconds = {"ours": [9.0, 1.0, 1.0, 2.0], "theirs": [1.0, 2.0, 3.0, 20.0]}
    monkeypatch.setattr(guard, "in_turn", lambda sides, repeats: {side: seconds[side][:repeats] for side in sides})
    assert guard.measure(guard.Pair(lambda: (None, None), "ours", "theirs"), 3) == 3.0
