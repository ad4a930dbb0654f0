"""A side of a comparison in a process of its own, so that no two libraries share threads or memory."""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import os
import signal
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

QUIET = 0.1  # seconds after which the threads of the side before have stopped spinning
_START = 120.0  # seconds to import and to compile in


class OutOfTime(Exception):
    """The answer took longer than allowed."""


class Failed(Exception):
    """The other process raised an error."""


class Worker:
    """A fresh process that calls `serve(*arguments)` once, and with what it returns answers one request after another.

    `serve` is a function of a module; requests and answers are pickled. A worker that was too slow is ended, and begins
    anew with the next request.
    """

    def __init__(self, serve: Callable[..., Callable[[Any], Any]], *arguments: Any) -> None:
        self._task = (serve, arguments)
        self._process: Any = None

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start the process, and wait until it is ready."""
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, *self._task))  # a daemon could not have processes
        self._process.start()
        atexit.register(self.stop)
        theirs.close()
        self._answer(_START)

    def ask(self, request: Any, seconds: float = _START) -> Any:
        """The answer to a request; OutOfTime or Failed where there is none."""
        if self._process is None:
            self.start()
        self._pipe.send(request)
        return self._answer(seconds)

    def stop(self) -> None:
        """End the process, and those that it has started."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.kill()
            self._process.join()
            self._pipe.close()
            self._process = None
            atexit.unregister(self.stop)

    def _answer(self, seconds: float) -> Any:
        if not self._pipe.poll(seconds):
            self.stop()
            raise OutOfTime(f"no answer in {seconds:.1f} s")
        try:
            succeeded, answer = self._pipe.recv()
        except EOFError:
            self.stop()
            raise Failed("the process died") from None
        if not succeeded:
            raise Failed(answer)
        return answer


def _work(pipe: Any, serve: Callable[..., Callable[[Any], Any]], arguments: tuple[Any, ...]) -> None:
    os.setpgrp()
    warnings.simplefilter("ignore")
    os.environ["PYTHONWARNINGS"] = "ignore"  # of its own processes
    try:
        respond = serve(*arguments)
        pipe.send((True, None))
    except Exception as error:
        pipe.send((False, _told(error)))
        return
    while True:
        try:
            request = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send((True, respond(request)))
        except Exception as error:
            pipe.send((False, _told(error)))


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what the function returns."""
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def rounds(repeats: int, *, at_least: int, enough: float) -> Iterator[int]:
    """0, 1, ..., `repeats` of them, or `at_least` so many once `enough` seconds are over."""
    start = time.perf_counter()
    for k in range(repeats):
        if k >= at_least and time.perf_counter() - start > enough:
            return
        yield k


def in_turn(sides: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """Seconds of each side, which it returns, one after the other: `repeats` rounds, three once they take long."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in rounds(repeats, at_least=3, enough=10.0):
        for name, side in sides.items():
            time.sleep(QUIET)
            seconds[name].append(side())
    return seconds
