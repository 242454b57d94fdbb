from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from chat_transport_demo import DemoModel

from chat_transport import Chat, ChatTransport
from chat_transport.cli._server import ServeSettings
from chat_transport.cli._targets import AblyTarget

QUESTION = {
    "id": "c1",
    "messages": [{"id": "u", "role": "user", "parts": [{"type": "text", "text": "hello"}]}],
    "trigger": "submit-message",
}


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def post(url: str, body: Any) -> str:
    request = urllib.request.Request(
        url, json.dumps(body).encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read().decode()


def test_serve_without_ably_answers_chats_and_shows_the_page(start: Callable[..., Any], page: Path):
    address = start("serve", "--port", "0", "--model", "demo:fast", "--web", str(page)).ready()
    assert "the page" in get(f"{address}/")
    assert json.loads(get(f"{address}/config.json")) == {"model": "demo:fast", "ably": None}
    reply = post(f"{address}/api/chat", QUESTION)
    assert reply.startswith(": stream-open")
    assert '"type":"finish"' in reply
    assert reply.endswith("data: [DONE]\n\n")
    assert [m["role"] for m in json.loads(get(f"{address}/api/chat/c1"))["messages"]] == [
        "user",
        "assistant",
    ]
    with pytest.raises(urllib.error.HTTPError) as refusal:
        get(f"{address}/api/auth/token?clientId=me")
    with refusal.value as answer:
        assert answer.code == 404


def test_the_demo_tells_the_page_where_ably_is_and_gives_tokens(start: Callable[..., Any]):
    address = start("demo", "--port", "0", "--model", "demo:fast").ready()
    ably = json.loads(get(f"{address}/config.json"))["ably"]
    assert ably["channelPrefix"] == "ai:"
    assert ably["clientOptions"]["endpoint"] == "127.0.0.1"
    assert ably["clientOptions"]["tls"] is False
    assert get(f"{address}/api/auth/token?clientId=me").count(".") == 2
    with pytest.raises(urllib.error.HTTPError) as refusal:
        get(f"{address}/api/auth/token?clientId=agent")
    with refusal.value as answer:
        assert answer.code == 403


def test_a_key_makes_the_agent_use_ably(start: Callable[..., Any]):
    broker = start("broker", "--port", "0", "--key", "app.key:secret").ready()
    endpoint = broker.removeprefix("http://")
    served = start(
        "serve", "--port", "0", "--ably-key", "app.key:secret", "--ably-endpoint", endpoint,
        "--no-tls", "--channels", "chats:*",
    )  # fmt: skip
    config = json.loads(get(f"{served.ready()}/config.json"))
    assert config["ably"]["channelPrefix"] == "chats:"
    assert served.end() == (0, "")


def test_a_key_that_ably_refuses_is_one_sentence(
    start: Callable[..., Any], refused: Callable[..., str]
):
    broker = start("broker", "--port", "0", "--key", "app.key:secret").ready()
    endpoint = broker.removeprefix("http://")
    sentence = refused(
        "serve",
        "--port",
        "0",
        "--ably-key",
        "app.key:wrong",
        "--ably-endpoint",
        endpoint,
        "--no-tls",
    )
    assert "signature" in sentence
    assert "app.key:" not in sentence


@pytest.mark.parametrize(
    ("host", "told"),
    [("127.0.0.1", "ValueError: no key"), ("0.0.0.0", None), ("::1", "ValueError: no key")],
)
def test_only_ones_own_machine_is_told_what_a_handler_raised(host: str, told: str | None):
    settings = ServeSettings(host=host, port=0, model=DemoModel(), model_name="demo")
    text = settings.error_text
    assert (text(ValueError("no key")) if text is not None else None) == told


def test_another_browser_may_stop_the_reply(start: Callable[..., Any]):
    address = start("demo", "--port", "0").ready()

    def transport(who: str) -> ChatTransport:
        return AblyTarget(channel="ai:shared", client_id=who, server=address).transport()

    async def talk() -> tuple[str, str]:
        async with transport("ada") as hers, transport("bob") as his:
            async with Chat(hers, id="ai:shared") as ada, Chat(his, id="ai:shared") as bob:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(ada.send, "stream 1000 words")
                    async for state in bob.updates():
                        if state.messages and len(state.messages[-1].text.split()) > 3:
                            break
                    await bob.stop()
                return ada.status, ada.messages[-1].text

    async def in_time() -> tuple[str, str]:
        with anyio.fail_after(30):
            return await talk()

    status, text = anyio.run(in_time)
    assert status == "ready"
    assert len(text.split()) < 1000
