"""Measure sklearn-l2 against every peer that is installed: `python -m benchmarks [--quick] [SECTION ...]`.

Writes docs/benchmarks.md with its pictures, and docs/benchmarks.json with versions, cores, the BLAS kernel and every
raw time; `--quick`, a part of it in two minutes, goes to the directory quick-benchmarks. With names of sections only
these are measured, and the others stay as they are, as do with `--cells` the other cells of a section. `--page` writes
the page again without measuring.
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

from . import machine, page
from .worker import timed

# Modules of this package; section.py says what one is.
SECTIONS = ("fits", "l1", "search", "probe", "networks", "small", "memory", "growth", "limit")


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; default: all")
    parser.add_argument("--quick", action="store_true", help="a few small cells with little time")
    parser.add_argument("--cells", nargs="*", help="only cells whose name contains one of these")
    parser.add_argument("--page", action="store_true", help="only write the page")
    parser.add_argument("--output", type=Path, help="directory of the page")
    asked = parser.parse_args(arguments)
    unknown = set(asked.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"no section {', '.join(sorted(unknown))}")
    directory = asked.output or Path("quick-benchmarks" if asked.quick else "docs")
    sections = [(name, importlib.import_module(f"benchmarks.{name}")) for name in SECTIONS]
    results = page.read(directory)
    if not asked.page:
        described = machine.describe()
        for name, section in sections:
            if not asked.sections or name in asked.sections:
                cells = section.cells(asked.quick)
                before = results.get(name, {"rows": []})["rows"] if asked.cells else []
                results[name] = {"machine": described, "quick": asked.quick, "rows": before}
                for cell in cells:
                    if asked.cells is None or any(part in cell.name for part in asked.cells):
                        seconds, rows = timed(cell.run)
                        results[name]["rows"] = page.merged(results[name]["rows"], cell, rows, cells)
                        page.save(directory, results)
                        print(f"{name}: {cell.name}, {seconds:.1f} s", flush=True)
    page.write(directory, results, sections)


if __name__ == "__main__":
    main()
