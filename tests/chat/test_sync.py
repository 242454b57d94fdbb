from __future__ import annotations

import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from chat_transport import errors
from chat_transport.chat import Chat, SyncChat
from chat_transport.transport import History

pytestmark = pytest.mark.parametrize("backend", ["asyncio", "trio"])


def answering(fake_transport: Any, say_chunks: Any, chunks: Any, *, ends: bool = True) -> Any:
    """Give a transport that answers every request at once."""

    class Answering(fake_transport):
        @asynccontextmanager
        async def send_messages(self, request: Any) -> AsyncGenerator[Any, None]:
            async with super().send_messages(request) as stream:
                log = self.logs[-1]
                say_chunks(log, *chunks)
                if ends:
                    log.close()
                yield stream

    return Answering()


def test_a_program_without_an_event_loop_chats(
    fake_transport: Any, say_chunks: Any, text_reply: Any, backend: str
):
    transport = answering(fake_transport, say_chunks, text_reply("hi"))
    with SyncChat(Chat(transport), backend=backend) as chat:
        chat.send("hello")
        assert [message.text for message in chat.messages] == ["hello", "hi"]
        assert (chat.status, chat.error) == ("ready", None)
        chat.regenerate()
        assert len(chat.messages) == 2
    with pytest.raises(errors.TransportClosed, match="enter it with `with`"):
        chat.send("too late")


def test_another_thread_watches_and_stops(
    fake_transport: Any, say_chunks: Any, text_reply: Any, backend: str
):
    transport = answering(fake_transport, say_chunks, text_reply("hi")[:4], ends=False)
    with SyncChat(Chat(transport), backend=backend) as chat:
        sender = threading.Thread(target=chat.send, args=("hello",))
        sender.start()
        for state in chat.updates():
            if state.status == "streaming" and state.messages[-1].text == "hi":
                break
        chat.stop()
        sender.join(timeout=5)
        assert not sender.is_alive()
        assert chat.status == "ready"


def test_updates_end_when_the_chat_is_left(fake_transport: Any, backend: str):
    seen: list[str] = []
    shown = threading.Event()
    with SyncChat(Chat(fake_transport()), backend=backend) as chat:

        def watch() -> None:
            for state in chat.updates():
                seen.append(state.status)
                shown.set()

        watcher = threading.Thread(target=watch)
        watcher.start()
        assert shown.wait(timeout=5)
    watcher.join(timeout=5)
    assert not watcher.is_alive()
    assert seen == ["ready"]


def test_everything_else_goes_through(
    fake_transport: Any, say_chunks: Any, text_reply: Any, backend: str
):
    transport = answering(
        fake_transport,
        say_chunks,
        [
            {"type": "start", "messageId": "m"},
            {"type": "tool-input-available", "toolCallId": "c", "toolName": "f", "input": {}},
            {"type": "tool-input-available", "toolCallId": "d", "toolName": "f", "input": {}},
            {"type": "tool-approval-request", "approvalId": "a", "toolCallId": "d"},
            {"type": "error", "errorText": "bad"},
        ],
    )
    transport.pages[None] = History(messages=[])
    calls: list[int] = []
    with SyncChat(Chat(transport), backend=backend) as chat:
        unsubscribe = chat.subscribe(lambda: calls.append(1))
        chat.send("go")
        assert isinstance(chat.error, errors.AgentError)
        chat.clear_error()
        unsubscribe()
        heard = len(calls)
        chat.add_tool_output("c", 1)
        chat.add_tool_approval_response("a", approved=True)
        states = [part.state for part in chat.messages[-1].parts]
        assert states == ["output-available", "approval-responded"]
        assert not chat.resume_stream()
        chat.load_history()
        chat.load_older()
        assert chat.messages == ()
        assert chat.catch_up().messages == []
    assert heard == len(calls) > 0


def test_an_interrupted_wait_leaves_the_reply(
    fake_transport: Any, say_chunks: Any, text_reply: Any, backend: str, monkeypatch: Any
):
    transport = answering(fake_transport, say_chunks, text_reply("hi")[:4], ends=False)
    with SyncChat(Chat(transport), backend=backend) as chat:
        begun = chat._open_portal().start_task_soon

        def start_and_interrupt(act: Any) -> Any:
            future = begun(act)

            class Interrupted:
                def result(self) -> None:
                    raise KeyboardInterrupt

                def cancel(self) -> None:
                    future.cancel()

            return Interrupted()

        monkeypatch.setattr(chat._open_portal(), "start_task_soon", start_and_interrupt)
        with pytest.raises(KeyboardInterrupt):
            chat.send("hello")
        monkeypatch.undo()
        for state in chat.updates():
            if state.status == "ready":
                break

        async def left() -> None:
            with anyio.fail_after(5):
                while transport.left != [0] and transport.requests:
                    await anyio.wait_all_tasks_blocked()

        chat._wait(left)
