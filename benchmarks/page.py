"""The page and the JSON file: what was run on which machine, and the part of each section."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from .section import Cell, Row, table

PAGE, RESULTS, PICTURES = "benchmarks.md", "benchmarks.json", "benchmarks"

HEAD = """\
# Benchmarks

Written by `python -m benchmarks`; every raw time is in [{results}]({results}). Whoever wants to know how things are on
another machine runs it there: CONTRIBUTING.md says how to install the peers.
"""


def read(directory: Path) -> dict[str, Any]:
    """The sections that were measured before, by name."""
    path = directory / RESULTS
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def merged(before: list[Row], cell: Cell, rows: list[Row], cells: list[Cell]) -> list[Row]:
    """The rows of a section with those of one cell replaced, in the order of `cells`."""
    order = {each.name: place for place, each in enumerate(cells)}
    kept = [row for row in before if row["cell"] in order and row["cell"] != cell.name]
    return sorted([*kept, *({"cell": cell.name, **row} for row in rows)], key=lambda row: order[row["cell"]])


def save(directory: Path, results: dict[str, Any]) -> None:
    """The JSON file: a line for each row."""
    directory.mkdir(parents=True, exist_ok=True)
    sections = []
    for name, result in results.items():
        rows = ",\n  ".join(json.dumps(row) for row in result["rows"])
        head = json.dumps({key: value for key, value in result.items() if key != "rows"})
        sections.append(f'"{name}": {head[:-1]}, "rows": [\n  {rows}\n]}}')
    (directory / RESULTS).write_text("{\n" + ",\n".join(sections) + "\n}\n", encoding="utf-8")


def write(directory: Path, results: dict[str, Any], sections: Iterable[tuple[str, ModuleType]]) -> None:
    """The page, and its pictures."""
    pictures = directory / PICTURES
    pictures.mkdir(parents=True, exist_ok=True)
    measured = [(name, section) for name, section in sections if name in results]
    parts = [HEAD.format(results=RESULTS)]
    machine: dict[str, Any] = {}
    for name, section in measured:
        result = results[name]
        before, machine = machine, result["machine"]
        if machine != before:
            parts.append(rates(machine) if _setup(machine) == _setup(before) else described(machine))
        if machine["versions"] != before.get("versions"):
            versions = list(machine["versions"].items())
            parts.append(table(["package", "version"], versions))
        parts.append(f"## {section.TITLE}\n\n{section.markdown(result['rows'], pictures).strip()}\n")
    (directory / PAGE).write_text("\n".join(parts), encoding="utf-8")


def _setup(machine: dict[str, Any]) -> dict[str, Any]:
    """What stays the same from one run to the next."""
    return {key: value for key, value in machine.items() if key != "date" and not key.endswith("per second")}


def described(machine: dict[str, Any]) -> str:
    """A paragraph on the machine."""
    blas = ", ".join(
        f"{each['prefix']} {each['version']} with its {each['architecture']} kernel on {each['num_threads']} threads"
        for each in machine["blas"]
    )
    variables = ", ".join(f"`{name}={value}`" for name, value in machine["environment"].items())
    return (
        f"{machine['processor']}, {machine['cores']} hardware threads, {machine['system']}, "
        f"Python {machine['python']}. BLAS: {blas}. "
        f"Environment variables that matter to it: {variables or 'none'} (`OPENBLAS_CORETYPE` slows a current numpy). "
        + rates(machine)
    )


def rates(machine: dict[str, Any]) -> str:
    """When a run was, and how fast the machine was then."""
    giga = 1e-9
    return (
        f"Measured on {machine['date']}, when a matrix product ran at "
        f"{machine['float64 multiply-adds per second'] * giga:.1f} (float32: "
        f"{machine['float32 multiply-adds per second'] * giga:.1f}) billion multiply-adds a second, and memory was "
        f"read at {machine['bytes per second'] * giga:.1f} GB/s.\n"
    )
