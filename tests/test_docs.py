"""Every code block of every document runs, and every doctest."""

from __future__ import annotations

import doctest
import importlib
import os
import pkgutil
import re
import sys
from pathlib import Path

import pytest

import andon

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), ROOT / "CONTRIBUTING.md"])
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
C_BLOCK = re.compile(r"^```c\n(.*?)^```", re.MULTILINE | re.DOTALL)

MODULES = [
    module.name
    for module in pkgutil.walk_packages(andon.__path__, "andon.")
    if not module.name.endswith("__main__")
]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_blocks_of_a_page_run(page, tmp_path, monkeypatch, capsys):
    """All blocks of one page share their names, as a reader would type them in."""
    monkeypatch.chdir(tmp_path)
    names: dict = {"__name__": "page"}
    text = page.read_text()
    for match in BLOCK.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        source = "\n" * line + match.group(1)
        exec(compile(source, str(page), "exec"), names)
    for shown in C_BLOCK.findall(text):
        assert shown.strip() in names["unit"].source  # the C that is shown is what is emitted


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_hold(name):
    module = importlib.import_module(name)
    found = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert found.failed == 0


def test_the_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text()):
            if "://" not in target:
                assert os.path.exists(page.parent / target), f"{page.name}: {target}"


def test_the_page_of_names_is_up_to_date():
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        import torch_names
    finally:
        sys.path.pop(0)
    assert torch_names.PAGE.read_text() == torch_names.page(), "run: python tools/torch_names.py"
