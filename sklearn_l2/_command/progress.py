"""How far a search has come, on a terminal."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from io import TextIOBase
from typing import TextIO


@contextmanager
def counted_on_terminal(title: str, width: int) -> Iterator[bool]:
    """Shows the number of finished fits, by what a search with verbose=2 prints; yields whether anybody can see it."""
    terminal = sys.stderr
    if not terminal.isatty():
        yield False
        return
    counter = _Counter(terminal, title, width)
    counter.show(f"{title} ...")
    try:
        with redirect_stdout(counter):
            yield True
    finally:
        counter.show("")


class _Counter(TextIOBase):
    """A line in one place, in the stead of the lines that are written to it."""

    def __init__(self, terminal: TextIO, title: str, width: int) -> None:
        self.terminal, self.title, self.width = terminal, title, width

    def write(self, text: str) -> int:
        count = re.search(r"; (\d+)/(\d+)\] END ", text)
        if count:
            self.show(f"{self.title}: {count[1]} of {count[2]} fits")
        return len(text)

    def show(self, text: str) -> None:
        print(f"\r{text:<{self.width}}\r", end="", file=self.terminal, flush=True)
