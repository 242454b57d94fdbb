"""The pages say what is true: their links lead somewhere and their Python runs."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chat_transport import (
    Agent,
    ChatTransport,
    DirectChatTransport,
    DirectHost,
    Run,
    UIMessageChunk,
)
from chat_transport.transports.ably import AblyChatTransport, AblyConnection
from chat_transport.transports.http import HttpChatTransport, WebSocketChatTransport

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?://|mailto:|#)([^)#]+)(?:#[^)]*)?\)")
PYTHON = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), target


def test_every_page_can_be_reached_from_the_index() -> None:
    reached: set[Path] = set()
    waiting = [ROOT / "docs/index.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        for target in LINK.findall(page.read_text()):
            found = (page.parent / target).resolve()
            waiting += sorted(found.glob("*.md")) if found.is_dir() else [found]
    assert {page for page in PAGES if page.name != "README.md"} <= reached


def test_the_quick_start_is_two_commands() -> None:
    text = (ROOT / "README.md").read_text()
    assert re.findall(r"^```console\n(.*?)^```", text, re.DOTALL | re.MULTILINE) == [
        "make demo\n",
        "make test\n",
    ]


def test_the_table_of_wires_says_what_the_transports_say() -> None:
    said = {
        row[0].strip("* "): [cell == "yes" for cell in row[1:]]
        for row in (
            [
                cell.split("**")[1] if "**" in cell else cell.strip()
                for cell in line.split("|")[1:-1]
            ]
            for line in (ROOT / "README.md").read_text().splitlines()
            if line.startswith("| **")
        )
    }
    transports: dict[str, ChatTransport] = {
        "Ably": AblyChatTransport(AblyConnection(key="app.key:secret", client_id="reader")),
        "HTTP + SSE": HttpChatTransport(),
        "WebSocket": WebSocketChatTransport("ws://127.0.0.1"),
        "direct": DirectChatTransport(DirectHost(Agent(no_handler))),
    }
    columns = ("resumes", "stops", "history", "observes", "presence", "concurrent_runs")
    assert said == {
        name: [getattr(transport.capabilities, column) for column in columns]
        for name, transport in transports.items()
    }


async def no_handler(_: Run) -> AsyncIterator[UIMessageChunk]:
    """Say nothing: these transports are only asked what they can do."""
    return
    yield


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_python_of_a_page_runs(page: Path) -> None:
    """Blocks of a page share their names, as a reader who types them in would have them."""
    names: dict[str, object] = {"__name__": "page"}
    for block in PYTHON.findall(page.read_text()):
        exec(compile(block, str(page), "exec"), names)
