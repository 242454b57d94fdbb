from __future__ import annotations

import pytest

from chat_transport.agent.run import RunRequest
from chat_transport.agent.runtime import Agent
from chat_transport.chunks import TextDelta
from chat_transport.cli import _models
from chat_transport.cli._failure import CommandFailed
from chat_transport.messages import UIMessage

pytestmark = pytest.mark.anyio


async def answer(model: str) -> str:
    async with Agent(_models.make_handler(_models.find_model(model))) as agent:
        asked = RunRequest(chat_id="c", messages=[UIMessage.user("hello", id="u")])
        run = agent.start(asked)
        await run.wait()
        chunks = run.log.since(0)
    return "".join(chunk.delta for chunk in chunks if isinstance(chunk, TextDelta))


async def test_the_demo_answers():
    assert "demo model" in await answer("demo:fast")


async def test_a_model_answers_without_the_demos_tools(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_models, "HANDLERS", "no.such.group")
    assert "demo model" in await answer("demo:fast")


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ("nobody:x", "installed: .*demo"),
        ("", "unable to find an adapter"),
        ("demo:unknown", "unknown"),
    ],
)
async def test_a_model_that_is_not_there_is_named(model: str, reason: str):
    with pytest.raises(CommandFailed, match=reason):
        _models.find_model(model)
