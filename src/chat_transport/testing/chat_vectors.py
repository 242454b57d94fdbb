"""Recorded chat cases, run step by step against our `Chat` on a scripted transport.

Rule: status, error, messages, queue, transport calls and callbacks must match in every step, in
order. `abort_signal` has no counterpart (a cancelled scope has no listener), and when a stream is
told of its cancellation is a detail of scheduling: that is compared once for the whole case.
Source: vectors of group `chat`, recorded from `AbstractChat` of AI SDK 7.0.173.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Any, Self, TypeAlias

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from .._chunk_log import ChunkLog
from ..chat import Chat, ChatFinish, RequestOptions, SendPredicate
from ..chunks import DataChunk, ToolInputAvailable
from ..codecs.ui_stream import chunk_to_wire, decode_chunk
from ..errors import (
    AgentError,
    ConnectFailed,
    LocalProtocolError,
    RequestAborted,
    StreamInterrupted,
    TransportError,
)
from ..inputs import Reconnect, SendMessages
from ..messages import UIMessage
from ..predicates import is_complete_with_approval_responses, is_complete_with_tool_calls
from ..transport import Capabilities, ChatTransport, ChunkStream
from ._vector_tools import same_json

__all__ = ["ChatCase", "check_chat_case"]

JSON: TypeAlias = Any  # a vector is JSON
TURNS = 40
"""Event-loop turns after which a step has settled: more than any chain of tasks in `Chat` needs."""
_SCHEDULING = ("abort_signal", "stream_cancelled", "op_done")


def check_chat_case(case: Mapping[str, JSON], *, backend: str = "asyncio") -> list[str]:
    """Run one case; give what differs, nothing if all is as recorded."""
    return anyio.run(ChatCase(case).run, backend=backend)


class _NotAnError(TransportError):
    """JavaScript may reject with any value; what is no Error there is not told to `onError`."""


def _error_of(value: JSON) -> Exception:
    if not isinstance(value, dict):
        return _NotAnError(str(value))
    name, message = value.get("name"), str(value.get("message", ""))
    lowered = message.lower()
    if name == "AbortError":
        return RequestAborted(message)
    if name == "TypeError" and "fetch" in lowered:
        return ConnectFailed(message)
    if name == "TypeError" and ("network" in lowered or lowered == "load failed"):
        return StreamInterrupted(message, resumable=True)
    return TransportError(message)


class _ScriptedTransport(ChatTransport):
    """Answers calls as the case says, and writes them down."""

    def __init__(self, config: Mapping[str, JSON], events: list[JSON]) -> None:
        self._replies: Sequence[JSON] = config.get("replies") or ()
        self._abort_rejects = bool(config.get("abortRejects"))
        self._replays = bool(config.get("replay"))
        self._events = events
        self._calls = 0
        self._manual: dict[int, tuple[anyio.Event, list[JSON]]] = {}
        self.streams: list[ChunkLog] = []

    @property
    def capabilities(self) -> Capabilities:
        """Resuming only, as AI SDK's own interface."""
        return Capabilities(resumes=True, replays_on_resume=self._replays)

    async def __aenter__(self) -> Self:
        """Nothing to open."""
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing to close."""

    @asynccontextmanager
    async def send_messages(self, request: SendMessages) -> AsyncGenerator[ChunkStream, None]:
        """Give what the script says, a stream by default."""
        call: dict[str, JSON] = {
            "method": "send",
            "chatId": request.chat_id,
            "messages": [message.to_wire() for message in request.messages],
            "trigger": request.trigger,
        }
        if request.message_id is not None:
            call["messageId"] = request.message_id
        async with self._answer(call, request) as stream:
            assert stream is not None
            yield stream

    def reconnect_to_stream(
        self, request: Reconnect
    ) -> AbstractAsyncContextManager[ChunkStream | None]:
        """Give what the script says, a stream by default."""
        return self._answer({"method": "resume", "chatId": request.chat_id}, request)

    def reply(self, call: int, answer: JSON) -> None:
        """Answer a call that the script left open."""
        replied, answers = self._manual[call]
        answers.append(answer)
        replied.set()

    def close(self) -> None:
        """Let go of calls that the script never answered."""
        for replied, answers in self._manual.values():
            answers.append({"error": {"name": "AbortError"}})
            replied.set()

    @asynccontextmanager
    async def _answer(
        self, call: dict[str, JSON], request: SendMessages | Reconnect
    ) -> AsyncGenerator[ChunkStream | None, None]:
        index = self._calls
        self._calls += 1
        for key in ("headers", "body", "metadata"):
            if value := getattr(request, key):
                call[key] = value
        self._events.append({"transport": {"index": index, **call}})
        answer: JSON = self._replies[index] if index < len(self._replies) else "stream"
        if answer == "manual":
            replied, answers = self._manual[index] = (anyio.Event(), [])
            with anyio.CancelScope(shield=not self._abort_rejects):
                await replied.wait()
            answer = answers[0]
        if isinstance(answer, dict):
            raise _error_of(answer["error"])
        if answer is None:
            yield None
            return
        number = len(self.streams)
        log = ChunkLog()
        self.streams.append(log)
        try:
            yield log.stream()
        finally:
            if not log.closed:
                log.close()
                self._events.append({"stream_cancelled": number})


class ChatCase:
    """One case under way."""

    def __init__(self, case: Mapping[str, JSON]) -> None:
        self._case = case
        self._config: Mapping[str, JSON] = case["config"]
        self._events: list[JSON] = []
        self._ids = 0
        self._released = anyio.Event()
        self._transport = _ScriptedTransport(self._config, self._events)
        self._seen_status = "ready"
        self._seen_error: Exception | None = None
        self._differences: list[str] = []
        self._cancelled_streams: list[JSON] = []

    async def run(self) -> list[str]:
        """Run every step; give what differs."""
        messages = [UIMessage.model_validate(m) for m in self._config.get("messages") or ()]
        mode = self._config.get("onToolCall")
        async with anyio.create_task_group() as tasks:
            async with Chat(
                self._transport,
                id="chat-1",
                messages=messages,
                make_id=self._next_id,
                on_tool_call=self._on_tool_call if mode else None,
                on_data=self._on_data,
                on_error=self._on_error,
                on_finish=self._on_finish,
                send_automatically_when=_predicate(self._config.get("auto")),
                when_busy="queue" if self._config.get("queue") else "concurrent",
            ) as self._chat:
                self._chat.subscribe(self._on_change)
                await self._run_steps(tasks)
                self._compare("final messages", self._wire(), self._case["final_messages"])
                self._compare("final status", self._chat.status, self._case["final_status"])
                self._compare("ids generated", self._ids, self._case["ids_generated"])
                self._transport.close()
            tasks.cancel_scope.cancel()
        return self._differences

    async def _run_steps(self, tasks: TaskGroup) -> None:
        expected_messages: JSON = self._config.get("messages") or []
        expected_queue: JSON = []
        expected_cancelled: list[JSON] = []
        for index, (step, trace) in enumerate(
            zip(self._case["steps"], self._case["trace"], strict=True)
        ):
            self._events.clear()
            self._perform(index, step, tasks)
            for _ in range(TURNS):
                await anyio.lowlevel.checkpoint()
            expected_messages = trace.get("messages", expected_messages)
            expected_queue = trace.get("queued", expected_queue)
            error = self._chat.error
            at = f"step {index} ({step['op']}): "
            self._compare(at + "number", index, trace.get("step", index))
            self._compare(at + "events", *_split(self._events, trace["events"], ordered=True))
            self._compare(at + "done", *_split(self._events, trace["events"], ordered=False))
            self._compare(at + "status", self._chat.status, trace["status"])
            self._compare(at + "error", None if error is None else str(error), trace["error"])
            self._compare(at + "messages", self._wire(), expected_messages)
            queued = [message.to_wire() for message in self._chat.queued]
            self._compare(at + "queued", queued, expected_queue)
            self._cancelled_streams += _named(self._events, "stream_cancelled")
            expected_cancelled += _named(trace["events"], "stream_cancelled")
        self._compare(
            "cancelled streams", sorted(self._cancelled_streams), sorted(expected_cancelled)
        )

    def _perform(self, index: int, step: Mapping[str, JSON], tasks: TaskGroup) -> None:
        """Begin one step; what takes time goes on in the background."""
        chat, op, call_id = self._chat, step["op"], step.get("tool_call_id", "")
        options = RequestOptions(**(step.get("options") or {}))
        acts: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
            "send": lambda: self._send(step.get("message"), options),
            "regenerate": lambda: chat.regenerate(step.get("message_id"), options=options),
            "resume": lambda: chat.resume_stream(options=options),
            "resume_if_disconnected": chat.resume_if_disconnected,
            "stop": chat.stop,
            "dispose": chat.stop,
            "queue_send_now": lambda: chat.send_queued_now(step["id"]),
            "tool_output": lambda: chat.add_tool_output(
                call_id, step.get("output"), error_text=step.get("error_text"), options=options
            ),
            "approve": lambda: chat.add_tool_approval_response(
                step["id"], approved=step["approved"], reason=step.get("reason"), options=options
            ),
        }
        if op in acts:
            tasks.start_soon(self._act, index, acts[op])
        else:
            self._do_at_once(op, step)

    def _do_at_once(self, op: str, step: Mapping[str, JSON]) -> None:
        if op == "chunks":
            chunks = [decode_chunk(chunk) for chunk in step["chunks"]]
            self._transport.streams[step["stream"]].extend(chunks)
        elif op == "end":
            self._transport.streams[step["stream"]].close()
        elif op == "fail":
            self._transport.streams[step["stream"]].close(_error_of(step["error"]))
        elif op == "reply":
            self._transport.reply(step["call"], step["with"])
        elif op == "release_tool_call":
            self._released.set()
        elif op == "queue_remove":
            self._chat.remove_queued(step["id"])
        elif op == "clear_error":
            self._chat.clear_error()
        elif op == "set_messages":
            self._chat.messages = tuple(UIMessage.model_validate(m) for m in step["messages"])
        else:
            self._differences.append(f"unknown step {op!r}")

    async def _act(self, index: int, act: Callable[[], Coroutine[Any, Any, object]]) -> None:
        try:
            await act()
        except LocalProtocolError:
            self._events.append({"op_failed": index, "name": "AI_InvalidArgumentError"})
        else:
            self._events.append({"op_done": index})

    async def _send(self, message: JSON, options: RequestOptions) -> None:
        if message is None:
            await self._chat.send(options=options)
            return
        said = UIMessage.model_validate(
            {
                "id": "",
                "role": "user",
                "parts": [*message.get("files", ()), *message.get("parts", ())],
            }
        )
        if "text" in message:
            text = UIMessage.model_validate(
                {"id": "", "role": "user", "parts": [{"type": "text", "text": message["text"]}]}
            )
            said = said.model_copy(update={"parts": [*said.parts, *text.parts]})
        given = {"metadata": message["metadata"]} if "metadata" in message else {}
        await self._chat.send(
            parts=said.parts,
            id=message.get("id"),
            role=message.get("role", "user"),
            message_id=message.get("messageId"),
            options=options,
            **given,
        )

    def _wire(self) -> list[JSON]:
        return [message.to_wire() for message in self._chat.messages]

    def _next_id(self) -> str:
        self._ids += 1
        return f"gen-{self._ids - 1}"

    def _on_change(self) -> None:
        if self._chat.status != self._seen_status:
            self._seen_status = self._chat.status
            self._events.append({"status": self._chat.status})
        if self._chat.error is not self._seen_error:
            self._seen_error = error = self._chat.error
            self._events.append({"error_state": None if error is None else str(error)})

    async def _on_tool_call(self, chunk: ToolInputAvailable) -> None:
        self._events.append({"on_tool_call": chunk_to_wire(chunk)})
        mode = self._config["onToolCall"]
        if mode == "output":
            await self._chat.add_tool_output(chunk.tool_call_id, "from callback")
        elif mode == "block":
            await self._released.wait()
        elif mode == "throw":
            raise AgentError("callback failed")

    def _on_data(self, chunk: DataChunk) -> None:
        self._events.append({"on_data": chunk_to_wire(chunk)})

    def _on_error(self, error: Exception) -> None:
        if not isinstance(error, _NotAnError):
            self._events.append({"on_error": str(error)})

    def _on_finish(self, finish: ChatFinish) -> None:
        self._events.append(
            {
                "on_finish": {
                    "message_id": finish.message.id,
                    "parts": len(finish.message.parts),
                    "message_count": len(finish.messages),
                    "isAbort": finish.is_abort,
                    "isDisconnect": finish.is_disconnect,
                    "isError": finish.is_error,
                    "finishReason": finish.finish_reason,
                }
            }
        )

    def _compare(self, what: str, actual: JSON, expected: JSON) -> None:
        if not same_json(actual, expected):
            self._differences.append(f"{what}: got {actual!r}, expected {expected!r}")


def _predicate(auto: JSON) -> SendPredicate | None:
    if auto == "tool-calls":
        return is_complete_with_tool_calls
    if auto == "approvals":
        return is_complete_with_approval_responses
    if auto == "once":
        left = [True]
        return lambda _: bool(left) and left.pop()
    if auto == "always":
        return lambda _: True
    return None


def _named(events: Sequence[JSON], name: str) -> list[JSON]:
    return [event[name] for event in events if name in event]


def _split(actual: Sequence[JSON], expected: Sequence[JSON], *, ordered: bool) -> tuple[JSON, JSON]:
    """Give both sides' ordered events, or the numbers of the operations that are done."""

    def part(events: Sequence[JSON]) -> JSON:
        if not ordered:
            done = [event for event in events if "op_done" in event]
            return sorted(done, key=lambda event: int(event["op_done"]))
        return [
            {key: event[key] for key in event if key != "message"}
            if "op_failed" in event
            else event
            for event in events
            if not any(name in event for name in _SCHEDULING)
        ]

    return part(actual), part(expected)
