from __future__ import annotations

from importlib.metadata import entry_points

import anyio
import pytest
from chat_transport_demo import DemoModel, create, demo_tools

from chat_transport.chunks import TextDelta, ToolInputAvailable
from chat_transport.errors import LocalProtocolError
from chat_transport.messages import UIMessage
from chat_transport.model import ModelSettings

pytestmark = pytest.mark.anyio


async def test_deltas_are_paced():
    model = DemoModel(word_delay_s=0.01)
    with anyio.fail_after(5):
        before = anyio.current_time()
        async for _ in model.stream([UIMessage.user("stream 5 words", id="u")]):
            pass
        assert anyio.current_time() - before >= 0.05


async def test_an_asked_pace_replaces_the_usual_one():
    model = DemoModel(word_delay_s=60)
    with anyio.fail_after(5):
        chunks = [
            c async for c in model.stream([UIMessage.user("stream 3 words every 1 ms", id="u")])
        ]
    assert sum(isinstance(chunk, TextDelta) for chunk in chunks) == 3


async def test_tools_are_called_only_when_allowed():
    specs = [tool.spec for tool in demo_tools()]
    messages = [UIMessage.user("weather", id="u")]
    model = DemoModel(word_delay_s=0)
    with anyio.fail_after(5):
        free = [c async for c in model.stream(messages, tools=specs)]
        barred = [
            c
            async for c in model.stream(
                messages, tools=specs, settings=ModelSettings(tool_choice="none")
            )
        ]
    assert any(isinstance(chunk, ToolInputAvailable) for chunk in free)
    assert not any(isinstance(chunk, ToolInputAvailable) for chunk in barred)


async def test_the_command_line_finds_it_by_entry_point():
    (found,) = entry_points(group="chat_transport.adapters", name="demo")
    assert found.load() is create
    assert create("").word_delay_s > 0
    assert create("fast").word_delay_s == 0
    with pytest.raises(LocalProtocolError, match="'gpt'"):
        create("gpt")
