"""`OpenAIAgent`: an agent of the OpenAI Agents SDK as a handler.

Rule: the SDK runs models and tools; this file takes a run to it and its events back. A run that
waits for a person is kept, because the SDK goes on from its own state.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncGenerator, Mapping
from importlib import import_module
from typing import Any, TypeAlias

from chat_transport_openai import responses_body

from chat_transport.agent.run import Run
from chat_transport.chunks import ToolApprovalRequest, ToolOutputDenied, UIMessageChunk
from chat_transport.errors import ConnectFailed
from chat_transport.messages import DynamicToolPart, ToolApproval, ToolPart
from chat_transport.model import ModelSettings

from ._events import AgentEvents

__all__ = ["OpenAIAgent"]

JSON: TypeAlias = Any  # any JSON value

KEPT_CHATS = 1_000
"""Chats whose suspended runs are kept."""


class OpenAIAgent:
    """A `Handler` that runs an agent.

    Args:
        agent: An `agents.Agent`.
        context: The run's context, or a function that makes it from the run.
        options: Further arguments of `Runner.run_streamed`, such as `max_turns`.
    """

    def __init__(
        self, agent: Any, *, context: Any = None, options: Mapping[str, Any] | None = None
    ) -> None:
        self._agent = agent
        self._context = context
        self._options = dict(options or {})
        self._suspended: OrderedDict[str, Any] = OrderedDict()

    async def __call__(self, run: Run) -> AsyncGenerator[UIMessageChunk, None]:
        """Answer a run.

        Raises:
            ConnectFailed: If openai-agents is not installed; names the remedy.
        """
        sdk = _sdk()
        for chunk in self._denials(run):
            yield chunk
        result = sdk.Runner.run_streamed(
            self._agent, self._input(run), context=self._own_context(run), **self._options
        )
        events = AgentEvents()
        try:
            async for event in result.stream_events():
                for chunk in events.feed(event):
                    yield chunk
        except sdk.AgentsException as error:
            for chunk in events.fail(str(error)):
                yield chunk
            return
        finally:
            if not result.is_complete:
                result.cancel()
        *rest, finish = events.end()
        for chunk in rest:
            yield chunk
        for item in result.interruptions:
            call_id = item.call_id
            yield ToolApprovalRequest(approval_id=f"approval-{call_id}", tool_call_id=call_id)
        if result.interruptions:
            self._keep(run.chat_id, result.to_state())
        yield finish

    def _own_context(self, run: Run) -> Any:
        return self._context(run) if callable(self._context) else self._context

    def _input(self, run: Run) -> Any:
        """The suspended run with its answers, or the conversation."""
        state = self._suspended.pop(run.chat_id, None)
        answers = _answers(run)
        if state is None or not answers:
            settings = ModelSettings(provider_options={"openai": {"store": False}})
            return responses_body(run.messages, model="", settings=settings)["input"]
        for item in state.get_interruptions():
            answer = answers.get(item.call_id)
            if answer is not None and answer.approved:
                state.approve(item)
            elif answer is not None:
                state.reject(item, rejection_message=answer.reason)
        return state

    def _denials(self, run: Run) -> list[UIMessageChunk]:
        if run.chat_id not in self._suspended:
            return []
        return [
            ToolOutputDenied(tool_call_id=call_id)
            for call_id, answer in _answers(run).items()
            if not answer.approved
        ]

    def _keep(self, chat_id: str, state: Any) -> None:
        self._suspended[chat_id] = state
        while len(self._suspended) > KEPT_CHATS:
            self._suspended.popitem(last=False)


def _answers(run: Run) -> dict[str, ToolApproval]:
    """A person's answers in the last message, by tool call."""
    parts = run.messages[-1].parts if run.messages else []
    return {
        part.tool_call_id: part.approval
        for part in parts
        if isinstance(part, ToolPart | DynamicToolPart)
        and part.state == "approval-responded"
        and part.approval is not None
    }


def _sdk() -> Any:
    try:
        return import_module("agents")  # slow to import: only when needed
    except ImportError as error:
        raise ConnectFailed(
            "openai-agents is not installed; pip install 'chat-transport-openai-agents[sdk]'"
        ) from error
