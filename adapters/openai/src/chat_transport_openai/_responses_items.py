"""Tool items of the Responses API into chunks: functions, patches, shells, and all others.

Rule: pure. A tool that the provider runs says `providerExecuted` on input and output.
Source: openai 3.52.0 item types; AI SDK 7.0.173 (@ai-sdk/openai 4.0.118) for the chunks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, TypeAlias

from chat_transport.chunks import (
    ABSENT,
    ToolInputAvailable,
    ToolInputStart,
    UIMessageChunk,
)

from ._responses_hosted import Call, HostedItems
from ._responses_outputs import (
    apply_patch_head,
    escaped,
    expand_parallel,
    local_shell_input,
    shell_input,
    shell_output,
)

__all__ = ["ItemDecoder"]

JSON: TypeAlias = Any  # any JSON value
Chunks: TypeAlias = list[UIMessageChunk]


class ItemDecoder(HostedItems):
    """What the tool items of one response mean."""

    def flush(self) -> Chunks:
        """Give the held-back calls that never ended."""
        return [
            chunk
            for call in self._calls.values()
            if call.held is not None
            for chunk in (
                ToolInputStart(tool_call_id=call.call_id, tool_name=call.name),
                *(self._delta(call, text) for text in call.held),
            )
        ]

    def added(self, event: JSON, item: JSON) -> Chunks:
        """A tool item begins."""
        handler = self._ADDED.get(item["type"])
        return handler(self, event["output_index"], item) if handler else []

    def done(self, event: JSON, item: JSON) -> Chunks:
        """A tool item is complete."""
        handler = self._DONE.get(item["type"])
        if handler is None:
            return []
        call = self._calls.pop(event["output_index"], None)
        return handler(self, call, item)

    def progress(self, kind: str | None, event: JSON) -> Chunks:
        """Something inside a tool item goes on."""
        if kind == "response.image_generation_call.partial_image":
            output = {"result": event["partial_image_b64"]}
            return [self._output(event["item_id"], output, preliminary=True)]
        call = self._calls.get(event.get("output_index", -1))
        handler = self._PROGRESS.get(kind)
        return handler(self, call, event) if handler and call else []

    # -- functions and custom tools

    def _function_added(self, index: int, item: JSON) -> Chunks:
        name, call_id = item["name"], item["call_id"]
        is_leak = name == "parallel" and name not in self._tool_names
        self._calls[index] = Call(
            call_id=call_id,
            name=name,
            held=[] if is_leak else None,
            runs_async=item.get("async"),
        )
        return [] if is_leak else [ToolInputStart(tool_call_id=call_id, tool_name=name)]

    def _arguments(self, call: Call, event: JSON) -> Chunks:
        if call.held is not None:
            call.held.append(event["delta"])
            return []
        return [self._delta(call, event["delta"])]

    def _function_done(self, call: Call | None, item: JSON) -> Chunks:
        self.called = True
        name, call_id, arguments = item["name"], item["call_id"], item["arguments"]
        chunks: Chunks = []
        if call is not None and call.held is not None:  # some servers never announce it
            expanded = expand_parallel(item, self._tool_names, self._provider)
            if expanded:
                return expanded
            held = call.held or ([arguments] if arguments else [])
            chunks = [
                ToolInputStart(tool_call_id=call_id, tool_name=name),
                *(self._delta(call, text) for text in held),
            ]
        fields = self._runs_async(call, item)
        if item.get("namespace") is not None:
            fields["namespace"] = item["namespace"]
        caller = item.get("caller")
        if caller is not None:
            if caller.get("type") == "program":
                caller = {"type": "program", "callerId": caller["caller_id"]}
            fields["caller"] = caller
        pm = self._pm(item, **fields) if item.get("id") else ABSENT
        available = self._step.tool_input(call_id, name, arguments, provider_metadata=pm)
        return [*chunks, available]

    def _custom_added(self, index: int, item: JSON) -> Chunks:
        call = Call(call_id=item["call_id"], name=item["name"], runs_async=item.get("async"))
        self._calls[index] = call
        return [
            ToolInputStart(tool_call_id=call.call_id, tool_name=call.name, input_encoding="text")
        ]

    def _custom_done(self, call: Call | None, item: JSON) -> Chunks:
        self.called = True
        return [
            ToolInputAvailable(
                tool_call_id=item["call_id"],
                tool_name=item["name"],
                input=item["input"],
                provider_metadata=self._pm(item, **self._runs_async(call, item)),
            )
        ]

    # -- shells and patches

    def _local_shell_done(self, call: Call | None, item: JSON) -> Chunks:
        value = local_shell_input(item)
        return [self._shell_call(item, "local_shell", value)]

    def _shell_done(self, call: Call | None, item: JSON) -> Chunks:
        return [self._shell_call(item, "shell", shell_input(item), hosted=self._shell_is_hosted)]

    def _shell_call(
        self, item: JSON, name: str, value: JSON, *, hosted: bool = False
    ) -> ToolInputAvailable:
        return ToolInputAvailable(
            tool_call_id=item["call_id"],
            tool_name=name,
            input=value,
            provider_executed=True if hosted else ABSENT,
            provider_metadata=self._pm(item),
        )

    def _shell_output(self, call: Call | None, item: JSON) -> Chunks:
        return [self._output(item["call_id"], shell_output(item))]

    def _patch_added(self, index: int, item: JSON) -> Chunks:
        operation = item["operation"]
        is_delete = operation["type"] == "delete_file"
        call = Call(
            call_id=item["call_id"], name="apply_patch", has_diff=is_delete, input_ended=is_delete
        )
        self._calls[index] = call
        start = ToolInputStart(tool_call_id=call.call_id, tool_name=call.name)
        return [start, self._delta(call, apply_patch_head(call.call_id, operation))]

    def _patch_delta(self, call: Call, event: JSON) -> Chunks:
        call.has_diff = True
        return [self._delta(call, escaped(event["delta"]))]

    def _patch_written(self, call: Call, event: JSON) -> Chunks:
        return self._end_patch(call, event["diff"])

    def _end_patch(self, call: Call, diff: str) -> Chunks:
        if call.input_ended:
            return []
        call.input_ended = True
        chunks: Chunks = [] if call.has_diff else [self._delta(call, escaped(diff))]
        call.has_diff = True
        return [*chunks, self._delta(call, '"}}')]

    def _patch_done(self, call: Call | None, item: JSON) -> Chunks:
        if call is None:
            return []
        chunks = self._end_patch(call, item["operation"].get("diff") or "")
        if item.get("status") != "completed":
            return chunks
        self.called = True
        value = {"callId": item["call_id"], "operation": item["operation"]}
        available = ToolInputAvailable(
            tool_call_id=call.call_id,
            tool_name=call.name,
            input=value,
            provider_metadata=self._pm(item),
        )
        return [*chunks, available]

    _ADDED: ClassVar[dict[str, Callable[[Any, int, JSON], Chunks]]] = {
        "apply_patch_call": _patch_added,
        "code_interpreter_call": HostedItems.code_added,
        "computer_call": HostedItems.computer_added,
        "custom_tool_call": _custom_added,
        "file_search_call": HostedItems.file_search_added,
        "function_call": _function_added,
        "image_generation_call": HostedItems.image_added,
        "tool_search_call": HostedItems.tool_search_added,
        "web_search_call": HostedItems.web_search_added,
    }
    _DONE: ClassVar[dict[str, Callable[[Any, Call | None, JSON], Chunks]]] = {
        "apply_patch_call": _patch_done,
        "code_interpreter_call": HostedItems.code_done,
        "computer_call": HostedItems.computer_done,
        "custom_tool_call": _custom_done,
        "file_search_call": HostedItems.file_search_done,
        "function_call": _function_done,
        "image_generation_call": HostedItems.image_done,
        "local_shell_call": _local_shell_done,
        "mcp_approval_request": HostedItems.mcp_approval_done,
        "mcp_call": HostedItems.mcp_done,
        "program": HostedItems.program_done,
        "program_output": HostedItems.program_output,
        "shell_call": _shell_done,
        "shell_call_output": _shell_output,
        "tool_search_call": HostedItems.tool_search_done,
        "tool_search_output": HostedItems.tool_search_output,
        "web_search_call": HostedItems.web_search_done,
    }
    _PROGRESS: ClassVar[dict[str | None, Callable[[Any, Call, JSON], Chunks]]] = {
        "response.apply_patch_call_operation_diff.delta": _patch_delta,
        "response.apply_patch_call_operation_diff.done": _patch_written,
        "response.code_interpreter_call_code.delta": HostedItems.code_delta,
        "response.code_interpreter_call_code.done": HostedItems.code_written,
        "response.custom_tool_call_input.delta": _arguments,
        "response.function_call_arguments.delta": _arguments,
    }
