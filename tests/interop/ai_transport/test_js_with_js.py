"""The official client and the official agent meet on our broker: what they do is what ours must do.

If these fail, the broker or the peers' scripts are wrong, not our agent or client.
"""

from __future__ import annotations

from typing import Any

import pytest
from js_messages import texts

pytestmark = [pytest.mark.anyio, pytest.mark.interop, pytest.mark.timeout(120)]


async def open_pair(js: Any, channel: str, **options: Any) -> Any:
    agent = await js("agent")
    return await js("client", channel=channel, clientId="alice", api=agent.url, **options)


async def test_text(js: Any) -> None:
    client = await open_pair(js, "ai:text")
    await client.call("send", text="hello")
    assert texts(await client.call("viewMessages")) == ["hello", "you said hello"]
    assert texts(await client.call("chatMessages")) == ["hello", "you said hello"]


async def test_a_late_client_reads_history(js: Any) -> None:
    client = await open_pair(js, "ai:late")
    await client.call("send", text="weather")
    late = await js("client", channel="ai:late", clientId="bob")
    await late.call("loadAll")
    seen, past = await client.call("viewMessages"), await late.call("viewMessages")
    assert texts(past) == texts(seen) == ["weather", "clear sky"]


async def test_stop(js: Any) -> None:
    client = await open_pair(js, "ai:stop")
    await client.call("sendRun", text="slow", name="a")
    await client.call("untilText", text="slow3 ")
    await client.call("cancelRun", name="a")
    await client.call("untilIdle", replies=1)
    assert [run["status"] for run in await client.call("runs")] == ["cancelled"]
