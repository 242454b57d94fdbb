"""The page of public names says what the code says."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs/reference/api.md"


@pytest.fixture
def api_page() -> ModuleType:
    """The script beside this file."""
    spec = importlib.util.spec_from_file_location("api_page", HERE / "api_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_code_says(api_page: ModuleType) -> None:
    assert PAGE.read_text("utf-8") == api_page.page(), (
        "write it anew: python tests/docs/api_page.py > docs/reference/api.md"
    )


def test_what_the_pages_import_is_public(api_page: ModuleType) -> None:
    pages = [PAGE.parents[2] / "README.md", *PAGE.parents[1].rglob("*.md")]
    wanted = {
        module
        for page in pages
        for module in re.findall(
            r"^from (chat_transport[a-z_.]*) import", page.read_text(), re.MULTILINE
        )
        if module.partition(".")[0] == "chat_transport"
    }
    assert wanted <= {*api_page.PACKAGES, *api_page.MODULES}


def test_every_public_name_says_what_it_is(api_page: ModuleType) -> None:
    silent = re.findall(r"^\| (\S+) \|  \|$", api_page.page(), re.MULTILINE)
    assert silent == []
