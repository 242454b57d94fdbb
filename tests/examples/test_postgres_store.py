"""The example `examples/postgres-store` keeps what the kit demands, in a real PostgreSQL."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
import servers

from chat_transport.agent.run import Run
from chat_transport.chunks import Error, Finish, TextDelta, TextStart, UIMessageChunk
from chat_transport.inputs import SendMessages
from chat_transport.messages import UIMessage
from chat_transport.testing.stores import chat_store_requirements
from chat_transport.transports.http.app import create_app
from chat_transport.transports.http.chat_store import ChatStore
from chat_transport.transports.http.client import HttpChatTransport

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def postgres() -> Iterator[Any]:
    programs = servers.find_postgres()
    if programs is None:
        pytest.skip("PostgreSQL is neither installed nor installable (apt-get as root) here")
    server = servers.PostgresServer(programs)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.mark.timeout(300)  # the server may have to be installed
def test_it_verifies_itself(postgres: Any) -> None:
    done = subprocess.run(
        [sys.executable, "verify.py", postgres.url],
        cwd=ROOT / "examples" / "postgres-store",
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = [line.removeprefix("ok  ") for line in done.stdout.splitlines()]
    assert said == [item.says for item in chat_store_requirements()]


def _store(url: str) -> ChatStore:
    place = ROOT / "examples" / "postgres-store" / "postgres_store.py"
    spec = importlib.util.spec_from_file_location("postgres_store", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    store: ChatStore = module.PostgresChatStore(url, connections=4)
    return store


@pytest.mark.anyio
@pytest.mark.timeout(300)  # the server may have to be installed
@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # as psycopg
async def test_a_database_that_is_killed_in_mid_reply_ends_it_with_error_and_loses_nothing_kept(
    postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reply whose end was told is in the database when that is back; of another none is claimed."""

    async def handler(run: Run) -> AsyncIterator[UIMessageChunk]:
        yield TextStart(id="t")
        yield TextDelta(id="t", delta=f"said to {run.messages[-1].text}")
        if run.messages[-1].text == "two":
            postgres.kill()

    async def talk(transport: HttpChatTransport, *texts: str) -> UIMessageChunk:
        sent = [UIMessage.user(text, id=f"u-{text}") for text in texts]
        async with transport.send_messages(SendMessages(chat_id="c", messages=sent)) as reply:
            return [chunk async for chunk in reply][-1]

    app = create_app(handler, store=_store(postgres.url), store_timeout_s=2)
    network = httpx2.ASGITransport(app=app)
    with anyio.fail_after(50):
        async with (
            app.lifespan(),
            httpx2.AsyncClient(transport=network, base_url="http://x") as client,
            HttpChatTransport(client=client) as transport,
        ):
            assert isinstance(await talk(transport, "one"), Finish)
            assert isinstance(await talk(transport, "two"), Error)
            postgres.start()
            kept = [message.text for message in (await transport.load_history("c")).messages]
            assert kept[:3] == ["one", "said to one", "two"]
            assert isinstance(await talk(transport, "three"), Finish)
            kept = [message.text for message in (await transport.load_history("c")).messages]
    assert kept[:3] == ["one", "said to one", "two"]
    assert kept[-2:] == ["three", "said to three"]
