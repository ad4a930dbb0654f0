"""Files written: tried out before the long fits, and afterwards written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from ..display import LambdaCurveDisplay
from .messages import CommandError, first_line, require
from .tuning import Tuned, choose


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


def check_report_path(path: Path, others: Iterable[Path]) -> None:
    """Whether an HTML report can be written there."""
    require("matplotlib.figure", "--report")
    if path.suffix.lower() not in (".html", ".htm"):
        raise CommandError(f"--report {path} has an unknown extension {path.suffix!r}: allowed are .html, .htm.")
    _check_path("--report", path, others)


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


def save_report(path: Path, page: str) -> None:
    """Write an HTML page."""
    _write_whole("--report", path, lambda temporary: temporary.write_bytes(page.encode("utf-8")))


def draw(path: Path, families: Sequence[Tuned]) -> None:
    """One panel for each family."""
    figure = require("matplotlib.figure", "--plot").Figure(figsize=(5.5 * len(families), 4), layout="constrained")
    for ax, tuned in zip(figure.subplots(1, len(families), squeeze=False)[0], families, strict=True):
        curve(tuned).plot(ax)
    _write_whole("--plot", path, lambda temporary: figure.savefig(temporary, format=path.suffix[1:].lower(), dpi=120))


def curve(tuned: Tuned) -> LambdaCurveDisplay:
    """Train and dev loss of a family that has a best lambd."""
    finished = [row for row in tuned.rows if not row.failure]
    best = choose(finished)
    return LambdaCurveDisplay(
        [row.lambd for row in finished],
        [row.train_loss for row in finished],
        [row.dev_loss for row in finished],
        dev_se=[row.dev_loss_se for row in finished],
        verdicts=[row.verdict.text for row in finished],
        chosen=best.lambd if best else None,
        name=tuned.family.title,
    )


def _write_whole(option: str, path: Path, write: Callable[[Path], object]) -> None:
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
