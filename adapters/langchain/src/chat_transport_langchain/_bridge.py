"""`LangChainHandler`: a chat model or a graph as a handler.

Rule: LangChain runs models and tools, and LangGraph keeps interrupted runs in its checkpointer;
this file takes a run to it and its events back.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from importlib import import_module
from typing import Any, TypeAlias

from chat_transport.agent.run import Run
from chat_transport.chunks import (
    DataChunk,
    ToolApprovalRequest,
    ToolOutputDenied,
    UIMessageChunk,
)
from chat_transport.messages import DynamicToolPart, ToolApproval, ToolPart

from ._events import LangChainEvents
from ._model import is_chat_model, model_events
from ._request import langchain_messages

__all__ = ["LangChainHandler"]

JSON: TypeAlias = Any  # any JSON value


class LangChainHandler:
    """A `Handler` that runs a chat model, or a graph whose state has `messages`.

    Args:
        runnable: The model or compiled graph.
        config: A `RunnableConfig` to start from; `thread_id` is set to the chat's id.
    """

    def __init__(self, runnable: Any, *, config: Mapping[str, JSON] | None = None) -> None:
        self._runnable = runnable
        self._config = dict(config or {})
        self._is_graph = hasattr(runnable, "get_state")
        self._remembers = getattr(runnable, "checkpointer", None) is not None

    async def __call__(self, run: Run) -> AsyncGenerator[UIMessageChunk, None]:
        """Answer a run; closing it cancels the graph."""
        config = self._own_config(run)
        given, denied = await self._input(run, config)
        for call_id in denied:
            yield ToolOutputDenied(tool_call_id=call_id)
        events = LangChainEvents()
        try:
            async with aclosing(self._events(given, config)) as received:
                async for event in received:
                    for chunk in events.feed(event):
                        yield chunk
        except Exception as error:  # noqa: BLE001  # any node of any graph may raise anything
            for chunk in events.fail(str(error)):
                yield chunk
            return
        *rest, finish = events.end()
        for chunk in rest:
            yield chunk
        for chunk in await self._questions(events, config):
            yield chunk
        yield finish

    def _events(self, given: Any, config: Mapping[str, JSON]) -> AsyncGenerator[JSON, None]:
        if is_chat_model(self._runnable):
            return model_events(self._runnable, given, config)
        # What stream writers write comes only where it is asked for.
        asked = {"stream_mode": ["custom"], "subgraphs": True} if self._is_graph else {}
        graphs: Any = import_module("chat_transport_langchain._graph")
        events: AsyncGenerator[JSON, None] = graphs.graph_events(
            self._runnable, given, config, asked
        )
        return events

    def _own_config(self, run: Run) -> dict[str, JSON]:
        configurable = {"thread_id": run.chat_id, **self._config.get("configurable", {})}
        return {**self._config, "configurable": configurable}

    async def _interrupts(self, config: Mapping[str, JSON]) -> list[Any]:
        if not self._remembers:
            return []
        state = await self._runnable.aget_state(config)
        return list(state.interrupts)

    async def _input(self, run: Run, config: Mapping[str, JSON]) -> tuple[Any, list[str]]:
        """What the graph is given, and which calls a person has refused."""
        if not self._is_graph:
            return langchain_messages(run.messages), []
        answers = _answers(run)
        if answers:
            resume = {
                interrupt.id: _decision(interrupt, answers)
                for interrupt in await self._interrupts(config)
            }
            if resume:
                command: Any = import_module("langgraph.types").Command(resume=resume)
                # The middleware answers a refused call itself, without an event; a tool that asked
                # by itself goes on and gives its own output.
                refused = [
                    call_id
                    for approval_id, (call_id, answer) in answers.items()
                    if not answer.approved and approval_id not in resume
                ]
                return command, refused
        if not self._remembers:
            return {"messages": langchain_messages(run.messages)}, []
        newest = [message for message in run.messages if message.role == "user"][-1:]
        return {"messages": langchain_messages(newest)}, []

    async def _questions(
        self, events: LangChainEvents, config: Mapping[str, JSON]
    ) -> list[UIMessageChunk]:
        """Approval requests of the middleware, and interrupts of other kinds."""
        chunks: list[UIMessageChunk] = []
        for interrupt in await self._interrupts(config):
            if interrupt.id in events.asked:
                continue
            requests = _action_requests(interrupt)
            calls = list(events.unanswered.items())
            for number, request in enumerate(requests):
                call_id = next((id_ for id_, name in calls if name == request.get("name")), None)
                if call_id is not None:
                    calls = [call for call in calls if call[0] != call_id]
                    approval_id = f"{interrupt.id}:{number}"
                    chunks.append(
                        ToolApprovalRequest(approval_id=approval_id, tool_call_id=call_id)
                    )
            if not requests:
                value = {"id": interrupt.id, "value": interrupt.value}
                chunks.append(DataChunk(type="data-interrupt", id=interrupt.id, data=value))
        return chunks


def _answers(run: Run) -> dict[str, tuple[str, ToolApproval]]:
    """A person's answers in the last message: approval id -> tool call, answer."""
    parts = run.messages[-1].parts if run.messages else []
    return {
        part.approval.id: (part.tool_call_id, part.approval)
        for part in parts
        if isinstance(part, ToolPart | DynamicToolPart)
        and part.state == "approval-responded"
        and part.approval is not None
    }


def _action_requests(interrupt: Any) -> list[JSON]:
    value = interrupt.value
    return list(value.get("action_requests") or []) if isinstance(value, dict) else []


def _decision(interrupt: Any, answers: Mapping[str, tuple[str, ToolApproval]]) -> JSON:
    requests = _action_requests(interrupt)
    if requests:
        found = [answers.get(f"{interrupt.id}:{number}") for number in range(len(requests))]
        return {"decisions": [_middleware_decision(one[1] if one else None) for one in found]}
    _, answer = answers.get(interrupt.id, (None, None))
    if answer is None:
        return {"approved": False, "reason": "not answered"}
    return {"approved": bool(answer.approved), "reason": answer.reason}


def _middleware_decision(answer: ToolApproval | None) -> JSON:
    if answer is not None and answer.approved:
        return {"type": "approve"}
    reason = answer.reason if answer is not None else None
    return {"type": "reject", "message": reason or "Tool call execution denied."}
