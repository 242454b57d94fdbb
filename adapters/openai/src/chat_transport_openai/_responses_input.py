"""A prompt as input items of the Responses API.

Rule: pure. What the server has stored is referred to, not repeated; plain function calls are
repeated always, because an output finds its call by `call_id` alone.
Source: AI SDK 7.0.173 (@ai-sdk/openai 4.0.118) for the items; its request goldens.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

import msgspec

from chat_transport.errors import LocalProtocolError
from chat_transport.prompt import (
    ApprovalResponse,
    Custom,
    File,
    PromptMessage,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from chat_transport.step import to_json

from ._files import responses_file
from ._responses_rebuild import (
    local_tool_call,
    local_tool_output,
    shell_call_output,
    web_search_call,
)

__all__ = ["ResponsesContext", "responses_input"]

JSON: TypeAlias = Any  # any JSON value


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponsesContext:
    """What the server knows already.

    Attributes:
        provider: The key in `providerMetadata`.
        system_role: `developer` for reasoning models, else `system`.
        stores: The server keeps responses, so that items can be referred to.
        refers: The server knows items again by their ids, as OpenAI's and Azure's do. Another is
            told its reasoning whole, and nothing of the tools that it ran itself.
        in_conversation: The request names a conversation, which holds what has an id.
        continues: The request names a previous response.
        local_tools: Provider-defined tools that were declared and that the caller runs, such as
            `shell`, `apply_patch`, `computer`.
        custom_tools: Names of declared free-form tools.
    """

    provider: str = "openai"
    system_role: str = "developer"
    stores: bool = True
    refers: bool = True
    in_conversation: bool = False
    continues: bool = False
    local_tools: Collection[str] = field(default_factory=frozenset[str])
    custom_tools: Collection[str] = field(default_factory=frozenset[str])


def responses_input(
    prompt: Sequence[PromptMessage], context: ResponsesContext | None = None
) -> list[JSON]:
    """Give the `input` of a request.

    Raises:
        LocalProtocolError: If a file is of a kind that the API does not take.
    """
    writer = _Writer(context or ResponsesContext(), prompt)
    for turn in prompt:
        writer.turn(turn)
    return writer.finished()


class _Writer:
    def __init__(self, context: ResponsesContext, prompt: Sequence[PromptMessage]) -> None:
        self._context = context
        self._items: list[JSON] = []
        self._reasoning: dict[str, JSON] = {}
        self._referred: set[str] = set()
        self._has_reasoning = False
        self._approved: set[str] = set()
        chained = context.in_conversation or context.continues
        self._wrapped = _parallel_groups(prompt, context.provider) if chained else {}

    def finished(self) -> list[JSON]:
        if self._context.stores or not self._context.refers:
            return self._items
        # The server keeps nothing, so reasoning without its encrypted content is void.
        return [
            item
            for item in self._items
            if item.get("type") != "reasoning" or item.get("encrypted_content") is not None
        ]

    def turn(self, turn: PromptMessage) -> None:
        if turn.role == "system":
            self._items.append({"role": self._context.system_role, "content": turn.text})
            return
        if turn.role == "user":
            self._items.append({"role": "user", "content": self._user(turn)})
            return
        self._reasoning = {}
        self._referred = set()
        self._has_reasoning = False
        for part in turn.content:
            write = self._WRITE.get((turn.role, type(part)))
            if write is not None:
                write(self, part)

    def _user(self, turn: PromptMessage) -> list[JSON]:
        provider = self._context.provider
        return [
            {"type": "input_text", "text": part.text}
            if isinstance(part, Text)
            else responses_file(part, index, provider, turn.message_id)
            for index, part in enumerate(turn.content)
            if isinstance(part, Text | File)
        ]

    def _own(self, part: Any) -> Mapping[str, JSON]:
        own: Mapping[str, JSON] = part.options.get(self._context.provider, {})
        return own

    def _refer(self, item_id: str) -> None:
        self._items.append({"type": "item_reference", "id": item_id})

    # -- what the assistant said

    def _text(self, part: Text) -> None:
        own = self._own(part)
        item_id = own.get("itemId")
        if self._context.in_conversation and item_id is not None:
            return
        # A stored message may be referred to only together with the reasoning that led to it.
        if self._context.stores and item_id is not None and self._has_reasoning:
            if item_id not in self._referred:
                self._referred.add(item_id)
                self._refer(item_id)
            return
        phase = {"phase": own["phase"]} if own.get("phase") is not None else {}
        self._items.append({"role": "assistant", "content": part.text, **phase})

    def _thought(self, part: Reasoning) -> None:
        own = self._own(part)
        item_id = own.get("itemId")
        encrypted = own.get("reasoningEncryptedContent")
        context = self._context
        if item_id is not None and (context.in_conversation or context.continues):
            self._has_reasoning = True
            return
        if not context.refers:
            self._items += _whole_thought(own, part.text)
            return
        self._has_reasoning = True
        summary = [{"type": "summary_text", "text": part.text}] if part.text else []
        if item_id is None:
            if encrypted is not None:
                item = {"type": "reasoning", "encrypted_content": encrypted, "summary": summary}
                self._items.append(item)
            return
        known = self._reasoning.get(item_id)
        if context.stores:
            if known is None:
                self._reasoning[item_id] = {}
                self._refer(item_id)
        elif known is None:
            item = {"type": "reasoning", "id": item_id, "encrypted_content": encrypted}
            self._reasoning[item_id] = item | {"summary": summary}
            self._items.append(self._reasoning[item_id])
        else:
            known["summary"] += summary
            if encrypted is not None:  # the final one comes with the last part
                known["encrypted_content"] = encrypted

    def _custom(self, part: Custom) -> None:
        own = self._own(part)
        item_id = own.get("itemId")
        if part.kind != "openai.compaction" or item_id is None or self._context.in_conversation:
            return
        if self._context.stores:
            self._refer(item_id)
        else:
            content = own.get("encryptedContent")
            self._items.append({"type": "compaction", "id": item_id, "encrypted_content": content})

    def _call(self, part: ToolCall) -> None:
        context, own = self._context, self._own(part)
        item_id = own.get("itemId")
        wrapper = self._wrapper(part)
        if wrapper is not None:
            if wrapper["index"] == 0 and not context.in_conversation:
                self._items.append(
                    {
                        "type": "function_call",
                        "call_id": wrapper["toolCallId"],
                        "name": wrapper["toolName"],
                        "arguments": wrapper["input"],
                    }
                )
            return
        if context.in_conversation and item_id is not None:
            return
        is_local = part.tool_name in context.local_tools or part.tool_name in context.custom_tools
        if part.tool_name in {"tool_search", "programmatic_tool_calling"}:
            is_local = True
        if part.provider_executed and part.tool_name != "programmatic_tool_calling":
            if context.stores and item_id is not None:
                self._refer(item_id)
            if context.stores or part.tool_name not in {"shell", "tool_search"}:
                return
        if context.stores and item_id is not None and is_local:
            if not context.continues:
                self._refer(item_id)
            return
        rebuilt = local_tool_call(part, item_id, context.local_tools, context.custom_tools)
        self._items.append(rebuilt or self._function_call(part, own))

    def _function_call(self, part: ToolCall, own: Mapping[str, JSON]) -> JSON:
        item: dict[str, JSON] = {
            "type": "function_call",
            "call_id": part.tool_call_id,
            "name": part.tool_name,
            "arguments": _arguments(part.input),
        }
        for name in ("async", "namespace"):
            if own.get(name) is not None:
                item[name] = own[name]
        return item | _caller(own)

    def _own_result(self, part: ToolResult) -> None:
        """What a tool that the provider ran has given."""
        if part.kind == "denied" or self._context.in_conversation or not self._context.refers:
            return
        if isinstance(part.value, dict) and part.value.get("type") == "execution-denied":
            return
        item_id = self._own(part).get("itemId") or part.tool_call_id
        if part.tool_name == "shell" and "shell" in self._context.local_tools:
            self._items.append(shell_call_output(part))
        elif self._context.stores:
            self._refer(item_id)
        elif part.kind == "json":
            rebuilt = web_search_call(part, item_id) or local_tool_output(part, item_id)
            if rebuilt is not None:
                self._items.append(rebuilt)

    # -- what the caller's tools gave

    def _result(self, part: ToolResult) -> None:
        wrapper = self._wrapper(part)
        if wrapper is not None:
            if wrapper["index"] == 0:
                group = self._wrapped[wrapper["toolCallId"]]
                joined = "\n".join(_output(result) for result in group)
                call_id = wrapper["toolCallId"]
                self._items.append(
                    {"type": "function_call_output", "call_id": call_id, "output": joined}
                )
            return
        if part.tool_name in self._context.custom_tools:
            kind = "custom_tool_call_output"
        else:
            rebuilt = (
                local_tool_output(part, None, self._context.local_tools)
                if part.kind == "json"
                else None
            )
            if rebuilt is not None:
                self._items.append(rebuilt)
                return
            kind = "function_call_output"
        item = {"type": kind, "call_id": part.tool_call_id, "output": _output(part)}
        caller = _caller(self._own(part))
        if part.kind == "denied" and caller.get("caller", {}).get("type") == "program":
            raise LocalProtocolError(
                f"call {part.tool_call_id!r} of a program was denied; the Responses API takes no "
                "denial of such a call: answer it with an output or an error"
            )
        self._items.append(item | caller)

    def _approval(self, part: ApprovalResponse) -> None:
        if part.approval_id in self._approved:
            return
        self._approved.add(part.approval_id)
        context = self._context
        if context.stores and not context.in_conversation and not context.continues:
            self._refer(part.approval_id)
        self._items.append(
            {
                "type": "mcp_approval_response",
                "approval_request_id": part.approval_id,
                "approve": part.approved,
            }
        )

    def _wrapper(self, part: ToolCall | ToolResult) -> Mapping[str, JSON] | None:
        """The leaked `parallel` call that this call came in, if all its results are here."""
        wrapper: Mapping[str, JSON] | None = self._own(part).get("parallelToolCall")
        if wrapper is None or wrapper["toolCallId"] not in self._wrapped:
            return None
        return wrapper

    _WRITE: ClassVar[dict[tuple[str, type], Callable[[Any, Any], None]]] = {
        ("assistant", Text): _text,
        ("assistant", Reasoning): _thought,
        ("assistant", Custom): _custom,
        ("assistant", ToolCall): _call,
        ("assistant", ToolResult): _own_result,
        ("tool", ToolResult): _result,
        ("tool", ApprovalResponse): _approval,
    }


def _whole_thought(own: Mapping[str, JSON], text: str) -> list[JSON]:
    if not own:
        return []
    summary = own.get("reasoningSummary")
    if summary is None:
        summary = [{"type": "summary_text", "text": text}] if text else []
    item = {
        "type": "reasoning",
        "id": own.get("itemId"),
        "summary": summary,
        "content": own.get("reasoningContent"),
        "encrypted_content": own.get("reasoningEncryptedContent"),
    }
    return [{name: value for name, value in item.items() if value is not None}]


def _arguments(value: JSON) -> str:
    if not isinstance(value, str):
        return to_json(value)
    try:
        msgspec.json.decode(value)
    except msgspec.DecodeError:
        return to_json(value)
    return value


def _output(part: ToolResult) -> str:
    if part.is_error:
        return to_json({"error": part.value})
    return to_json(part.value) if part.kind == "json" else part.value


def _caller(own: Mapping[str, JSON]) -> dict[str, JSON]:
    caller = own.get("caller")
    if caller is None:
        return {}
    if caller.get("type") == "program":
        caller = {"type": "program", "caller_id": caller["callerId"]}
    return {"caller": caller}


def _parallel_groups(prompt: Sequence[PromptMessage], provider: str) -> dict[str, list[ToolResult]]:
    """Results of leaked `parallel` calls by the id of the wrapper, where none is missing."""
    found: dict[str, dict[int, ToolResult]] = {}
    counts: dict[str, int] = {}
    written: set[str] = set()
    for turn in prompt:
        for part in turn.content:
            if not isinstance(part, ToolResult) or turn.role != "tool":
                continue
            wrapper = part.options.get(provider, {}).get("parallelToolCall")
            if wrapper:
                call_id = wrapper["toolCallId"]
                found.setdefault(call_id, {})[wrapper["index"]] = part
                counts[call_id] = wrapper["count"]
                if "input" in wrapper:
                    written.add(call_id)
    return {
        call_id: [results[index] for index in sorted(results)]
        for call_id, results in found.items()
        if len(results) == counts[call_id] and call_id in written
    }
