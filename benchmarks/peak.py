"""The most memory that something takes, looked at again and again while it runs; Linux only."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path


class Peak:
    """A context; `bytes` is the largest that `measure`, asked `every` so many seconds, gave in it."""

    def __init__(self, measure: Callable[[], int], every: float) -> None:
        self._measure = measure
        self._every = every
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.bytes = 0

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while True:
            self.bytes = max(self.bytes, self._measure())
            if self._over.wait(self._every):
                return


def of_process(name: str) -> int:
    """Bytes that /proc/self/status has under a name: RssAnon, VmData."""
    return _kilobytes(Path("/proc/self/status"), name) * 1024


def of_family() -> int:
    """Bytes resident in this process and those it started; what they share counts once."""
    parent = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            parent[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    total = 0
    for pid in parent:
        if os.getpid() in _with_ancestors(pid, parent):
            with suppress(OSError):
                total += _kilobytes(Path(f"/proc/{pid}/smaps_rollup"), "Pss") * 1024
    return total


def _with_ancestors(pid: int, parent: dict[int, int]) -> Iterator[int]:
    while pid in parent:
        yield pid
        pid = parent[pid]


def _kilobytes(path: Path, name: str) -> int:
    with path.open(encoding="ascii") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith(name + ":"))
