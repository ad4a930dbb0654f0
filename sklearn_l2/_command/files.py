"""Files written: tried out before the long fits, and afterwards written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from ..display import LambdaCurveDisplay
from .messages import CommandError, first_line, require
from .tuning import Row


def check_model_path(path: Path, others: Iterable[Path]) -> None:
    """Whether a model can be saved there."""
    require("skops.io", "--save")
    _check_path("--save", path, others)


def check_picture_path(path: Path, others: Iterable[Path]) -> None:
    """Whether a picture can be drawn there."""
    formats = require("matplotlib.figure", "--plot").Figure().canvas.get_supported_filetypes()
    if path.suffix[1:].lower() not in formats:
        allowed = ", ".join(f".{each}" for each in formats)
        raise CommandError(f"--plot {path} has an unknown extension {path.suffix!r}: allowed are {allowed}.")
    _check_path("--plot", path, others)


def _check_path(option: str, path: Path, others: Iterable[Path]) -> None:
    try:
        if path.is_dir():
            raise CommandError(f"{option} {path} is a directory: give the name of a file.")
        if any(path.resolve() == other.resolve() for other in others):
            raise CommandError(f"{option} {path} would overwrite another file of this run: give it a name of its own.")
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except (OSError, ValueError) as error:
        raise CommandError(f"{option} {path} cannot be written: {_reason(error)}") from None


def save_model(path: Path, model: Any) -> dict[str, Any]:
    """Save with skops; returns the types to trust and the Python to load it."""
    skops = require("skops.io", "--save")
    _write_whole("--save", path, lambda temporary: skops.dump(model, temporary))
    types = skops.get_untrusted_types(file=path)
    load = f"import skops.io\nmodel = skops.io.load({str(path)!r}, trusted={types!r})"
    return {"path": str(path), "untrusted_types": types, "load": load}


def draw(path: Path, curves: Sequence[tuple[str, Sequence[Row], float]]) -> None:
    """One panel for each family: its title, its rows, its best lambd."""
    figure = require("matplotlib.figure", "--plot").Figure(figsize=(5.5 * len(curves), 4), layout="constrained")
    for ax, (title, rows, chosen) in zip(figure.subplots(1, len(curves), squeeze=False)[0], curves, strict=True):
        finished = [row for row in rows if not row.failure]
        LambdaCurveDisplay(
            [row.lambd for row in finished],
            [row.train_loss for row in finished],
            [row.dev_loss for row in finished],
            dev_se=[row.dev_loss_se for row in finished],
            verdicts=[row.verdict.text for row in finished],
            chosen=chosen,
            name=title,
        ).plot(ax)
    _write_whole("--plot", path, lambda temporary: figure.savefig(temporary, format=path.suffix[1:].lower(), dpi=120))


def _write_whole(option: str, path: Path, write: Callable[[Path], None]) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write(temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise CommandError(f"{option} {path} cannot be written: {_reason(error)}") from None
    finally:
        temporary.unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or first_line(error)
