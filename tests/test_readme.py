"""The Markdown pages: their code runs and prints what they show, their links, commands and map are sound."""

import re
import runpy
from pathlib import Path

import pytest
from matplotlib.figure import Figure

import sklearn_l2.display

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RELATIVE_LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)[^)]*\)")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def blocks(page, language):
    return [code for found, code in BLOCK.findall(page.read_text(encoding="utf-8")) if found == language]


@each_page
def test_python_blocks_print_the_text_blocks(page, capsys):
    """In order: what the Python blocks of a page print is what its `text` blocks show."""
    names = {"__name__": "page"}
    for code in blocks(page, "python"):
        exec(compile(code, page.name, "exec"), names)
    assert capsys.readouterr().out == "".join(blocks(page, "text"))


def test_the_readme_has_code_and_shows_its_output():
    assert blocks(ROOT / "README.md", "python")
    assert blocks(ROOT / "README.md", "text")


def test_the_picture_of_the_readme_is_drawn_by_the_command_beside_it(monkeypatch):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (picture,) = re.findall(r"!\[.+\]\((.+)\)", readme)
    (script,) = re.findall(r"drawn by `python (.+)`", readme)
    saved = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, path, **options: saved.append(path))
    runpy.run_path(str(ROOT / script))
    assert saved == [ROOT / picture]


@each_page
def test_relative_links_lead_to_files(page):
    missing = [
        link for link in RELATIVE_LINK.findall(page.read_text(encoding="utf-8")) if not (page.parent / link).exists()
    ]
    assert missing == []


@pytest.mark.parametrize("program", ["sklearn_l2", "pytest -n auto"])
def test_each_of_the_two_commands_is_one_line_that_sets_itself_up(program):
    lines = [line for block in blocks(ROOT / "README.md", "bash") for line in block.splitlines()]
    (command,) = [line for line in lines if line.endswith(f".venv/bin/python -m {program}")]
    make, install, _ = command.split(" && ")
    assert make == "python3 -m venv .venv"
    assert install.startswith(".venv/bin/python -m pip install ")


def test_the_api_reference_has_every_public_name():
    page = (ROOT / "docs/api/index.md").read_text(encoding="utf-8")
    listed = re.findall(r"^   (\w+)$", page, re.MULTILINE)
    assert sorted(listed) == sorted([*sklearn_l2.__all__, *sklearn_l2.display.__all__])


def test_the_map_of_the_design_names_the_files_of_the_package():
    (rooms,) = re.findall(
        r"^    sklearn_l2/\n(?:^      .*\n)+", (ROOT / "docs/design.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    modules = {path.name for path in (ROOT / "sklearn_l2").rglob("*.py")} - {"__init__.py"}
    assert set(re.findall(r"\w+\.py", rooms)) == modules
