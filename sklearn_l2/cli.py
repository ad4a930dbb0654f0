"""`python -m sklearn_l2`: tune lambd on the dev set of a data file, or of data bundled with scikit-learn."""

from __future__ import annotations

import argparse
import json
import math
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from sklearn.metrics import log_loss, zero_one_loss

from ._command import html_report, report
from ._command.data import Data, bundled, read, take
from ._command.files import (
    check_model_path,
    check_picture_path,
    check_report_path,
    draw,
    save_model,
    save_report,
)
from ._command.messages import CommandError
from ._command.progress import counted_on_terminal
from ._command.tuning import (
    FAMILIES,
    Scorer,
    Task,
    Tuned,
    choose,
    preference,
    scorer_named,
    split,
    stratified_folds,
    told_warnings,
)

LAMBDS = (0.0, 0.01, 0.1, 1.0, 10.0, 100.0)
SHARE = 0.2
BAD_INPUT, INTERRUPTED = 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, default=None
        The arguments; None takes those of the process.

    Returns
    -------
    code : int
        0, or 2 where the user has something to put right (said on stderr), or 130 after Ctrl-C.

    Examples
    --------
    >>> from sklearn_l2.cli import main
    >>> main(["no-such-file.csv"])
    2
    """
    try:
        with warnings.catch_warnings(), _CtrlC() as ctrl_c:
            warnings.simplefilter("ignore")  # those of the fits are told in the table
            return _run(_parse(argv), ctrl_c)
    except SystemExit as stop:  # --help
        return int(stop.code or 0)
    except CommandError as error:
        print(f"error: {error}", file=sys.stderr)
        return BAD_INPUT
    except MemoryError:
        print("error: out of memory: use fewer rows, columns or folds.", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise CommandError(f"{message} (--help explains the arguments)")


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = _Parser(
        prog="python -m sklearn_l2",
        description="Tune the L2 strength lambd of a classifier on a dev set. Without arguments: on data "
        "bundled with scikit-learn.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "data", nargs="?", type=Path, help=".csv, .parquet, .npz (arrays X and y), .svmlight or .libsvm"
    )
    parser.add_argument("--target", metavar="COLUMN", help="the column of classes (.csv, .parquet)")
    parser.add_argument("--model", choices=[*FAMILIES, "both"], default="both", help="what to tune (default: both)")
    parser.add_argument(
        "--lambds",
        nargs="+",
        metavar="LAMBD",
        default=[f"{lambd:g}" for lambd in LAMBDS],
        help="values to try, separated by spaces or commas (default: %(default)s)",
    )
    dev = parser.add_mutually_exclusive_group()
    dev.add_argument(
        "--dev-size",
        type=float,
        metavar="SHARE",
        help=f"share of the rows that is the dev set (default: {SHARE})",
    )
    dev.add_argument("--dev", type=Path, metavar="FILE", help="a file that is the dev set")
    dev.add_argument("--cv", type=int, metavar="K", help="no dev set, but K-fold cross-validation")
    parser.add_argument(
        "--test-size",
        type=float,
        metavar="SHARE",
        default=SHARE,
        help="share of the rows kept for the last line, 0 for none (default: %(default)s)",
    )
    parser.add_argument("--scoring", metavar="NAME", help="choose by this scikit-learn scorer, not by the dev loss")
    parser.add_argument(
        "--save", type=Path, metavar="FILE", help="save the chosen model, preprocessing included (skops)"
    )
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw train and dev loss over lambd")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write all of it as one .html file, with pictures")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    arguments = parser.parse_args(argv)
    arguments.given = sys.argv[1:] if argv is None else list(argv)
    if arguments.data is None and (arguments.target or arguments.dev):
        raise CommandError("--target and --dev need a data file, which comes first.")
    arguments.lambds = _lambds(arguments.lambds)
    _check_shares(arguments)
    return arguments


def _lambds(texts: Sequence[str]) -> list[float]:
    words = " ".join(texts).replace(",", " ").split()
    try:
        values = {float(word) for word in words}
    except ValueError as error:
        raise CommandError(f"--lambds: {error}; give numbers, as in --lambds 0 0.1 1, after the data file.") from None
    bad = [value for value in values if not (math.isfinite(value) and value >= 0)]
    if bad or not values:
        given = f"{bad[0]:g}" if bad else "nothing"
        raise CommandError(f"--lambds: {given} was given; every lambd must be a finite number, 0 or more.")
    return sorted(values)


def _check_shares(arguments: argparse.Namespace) -> None:
    if arguments.cv is not None and arguments.cv < 2:
        raise CommandError(f"--cv {arguments.cv}: at least 2 folds are needed.")
    if arguments.dev_size is None:
        arguments.dev_size = SHARE if arguments.dev is None and arguments.cv is None else 0.0
    elif not 0 < arguments.dev_size < 1:
        raise CommandError(f"--dev-size {arguments.dev_size:g}: it is a share of the rows, between 0 and 1.")
    if not 0 <= arguments.test_size < 1:
        raise CommandError(f"--test-size {arguments.test_size:g}: it is a share of the rows, at least 0 and below 1.")
    if arguments.dev_size + arguments.test_size >= 1:
        raise CommandError(
            f"--dev-size {arguments.dev_size:g} and --test-size {arguments.test_size:g} leave no rows to train on."
        )


def _run(arguments: argparse.Namespace, ctrl_c: _CtrlC) -> int:
    inputs = [path for path in (arguments.data, arguments.dev) if path]
    if arguments.save:
        check_model_path(arguments.save, inputs)
    if arguments.plot:
        check_picture_path(arguments.plot, [*inputs, *([arguments.save] if arguments.save else [])])
    if arguments.report:
        check_report_path(arguments.report, [*inputs, *(path for path in (arguments.save, arguments.plot) if path)])
    data = bundled() if arguments.data is None else read(arguments.data, arguments.target, arguments.dev)
    parts = split(data.y, {"dev": arguments.dev_size, "test": arguments.test_size})
    task = _task(arguments, data, parts)
    dev_rows = {} if data.y_dev is None else {"dev": data.y_dev}
    outcome = report.Outcome(
        title=data.title,
        n_features=data.X.shape[1],
        classes=np.unique(data.y).tolist(),
        n_rows={part: len(rows) for part, rows in (parts | dev_rows).items()},
        n_folds=arguments.cv or 1,
        scoring=arguments.scoring,
        notes=list(data.notes),
    )
    say: Callable[[str], None] = _silent if arguments.json else print
    say(report.heading(outcome))
    stopped: CommandError | KeyboardInterrupt | None = None
    try:
        _tune_all(arguments, outcome, task, ctrl_c, say)
        _finish(arguments, outcome, data, parts, task.scorer)
    except (CommandError, KeyboardInterrupt) as error:
        stopped = error
        outcome.interrupted = isinstance(error, KeyboardInterrupt)
    say(report.ending(outcome))
    if arguments.json:
        print(json.dumps(report.as_json(outcome), indent=2, allow_nan=False))
    if stopped:
        raise stopped
    return 0


def _silent(text: str) -> None:
    pass


def _task(arguments: argparse.Namespace, data: Data, parts: dict[str, np.ndarray]) -> Task:
    scorer = scorer_named(arguments.scoring, data.y) if arguments.scoring else None
    X, y = take(data.X, parts["train"]), data.y[parts["train"]]
    if arguments.cv:
        return Task(data.preprocessing, X, y, scorer, folds=stratified_folds(y, arguments.cv))
    if data.y_dev is not None:
        return Task(data.preprocessing, X, y, scorer, data.X_dev, data.y_dev)
    return Task(data.preprocessing, X, y, scorer, take(data.X, parts["dev"]), data.y[parts["dev"]])


def _tune_all(
    arguments: argparse.Namespace,
    outcome: report.Outcome,
    task: Task,
    ctrl_c: _CtrlC,
    say: Callable[[str], None],
) -> None:
    for family in [family for name, family in FAMILIES.items() if arguments.model in (name, "both")]:
        tuned = outcome.tuned[family.name] = Tuned(family)
        try:
            with counted_on_terminal(family.title, report.WIDTH) as watched:
                tuned.run(arguments.lambds, task, verbose=2 if watched else 0)
            ctrl_c.check()
        finally:
            if tuned.rows:
                say(report.family_table(tuned, outcome.scoring))


def _finish(
    arguments: argparse.Namespace,
    outcome: report.Outcome,
    data: Data,
    parts: dict[str, np.ndarray],
    scorer: Scorer | None,
) -> None:
    """Choose among the families, score the choice on the test rows, write the files."""
    best = {name: row for name, tuned in outcome.tuned.items() if (row := choose(tuned.rows)) is not None}
    if not best:
        failures = [row.failure for tuned in outcome.tuned.values() for row in tuned.rows if row.failure]
        reason = f"every fit failed: {failures[0]}" if failures else f"--scoring {arguments.scoring} gave no numbers"
        raise CommandError(f"no model can be chosen, {reason}")
    name = min(best, key=lambda each: preference(best[each]))
    outcome.family, outcome.chosen, model = FAMILIES[name], best[name], outcome.tuned[name].model
    if "test" in parts:
        with told_warnings() as outcome.warnings:
            _test(outcome, model, take(data.X, parts["test"]), data.y[parts["test"]], scorer)
    if arguments.save:
        outcome.saved = save_model(arguments.save, model)
    if arguments.plot:
        draw(arguments.plot, [outcome.tuned[each] for each in best])
        outcome.plotted = str(arguments.plot)
    if arguments.report:
        save_report(arguments.report, html_report.page(outcome, arguments, data, parts, model))
        outcome.reported = str(arguments.report)


def _test(outcome: report.Outcome, model: Any, X: Any, y: np.ndarray, scorer: Scorer | None) -> None:
    outcome.test_error = float(zero_one_loss(y, model.predict(X)))
    outcome.test_loss = float(log_loss(y, model.predict_proba(X), labels=model.classes_))
    if scorer:
        try:
            outcome.test_score = float(scorer(model, X, y))
        except ValueError:  # some scores are not defined where a class is absent
            outcome.test_score = math.nan


class _CtrlC:
    """Remembers a Ctrl-C: the network's fit ends at one with a warning, where the whole run should end."""

    def __init__(self) -> None:
        self.pressed = False

    def __enter__(self) -> _CtrlC:
        self.previous: Any = signal.getsignal(signal.SIGINT)
        self.listening = (
            threading.current_thread() is threading.main_thread() and self.previous is signal.default_int_handler
        )
        if self.listening:
            signal.signal(signal.SIGINT, self._press)
        return self

    def __exit__(self, *exception: object) -> None:
        if self.listening:
            signal.signal(signal.SIGINT, self.previous)

    def _press(self, signum: int, frame: Any) -> NoReturn:
        self.pressed = True
        raise KeyboardInterrupt

    def check(self) -> None:
        if self.pressed:
            raise KeyboardInterrupt
