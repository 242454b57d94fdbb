"""Tool items of the Responses API into chunks: functions, hosted tools, MCP, patches, shells.

Rule: pure. A tool that the provider runs says `providerExecuted` on input and output.
Source: openai 3.52.0 item types; AI SDK 7.0.173 (@ai-sdk/openai 4.0.118) for the chunks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from chat_transport.chunks import (
    ABSENT,
    Absent,
    File,
    SourceDocument,
    SourceUrl,
    ToolApprovalRequest,
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputStart,
    ToolOutputAvailable,
    ToolOutputError,
    UIMessageChunk,
)
from chat_transport.step import to_json

from ._responses_outputs import (
    apply_patch_head,
    computer_input,
    escaped,
    expand_parallel,
    file_search_output,
    local_shell_input,
    mcp_output,
    shell_input,
    shell_output,
    web_search_output,
)

if TYPE_CHECKING:
    from ._responses_events import ResponsesDecoder

__all__ = ["ItemDecoder"]

JSON: TypeAlias = Any  # any JSON value
Chunks: TypeAlias = list[UIMessageChunk]


@dataclass(slots=True, kw_only=True)
class _Call:
    call_id: str
    name: str
    container_id: str | None = None
    has_diff: bool = False
    input_ended: bool = False
    held: list[str] | None = None
    """Deltas of an undeclared `parallel` call, held until it is known what it is."""
    runs_async: bool | None = None
    is_hosted: bool = field(default=False)


class ItemDecoder:
    """What the tool items of one response mean.

    Attributes:
        called: The model called a tool that the caller must run.
    """

    def __init__(
        self,
        step: ResponsesDecoder,
        *,
        provider: str,
        tool_names: Collection[str],
        web_search_name: str,
        shell_is_hosted: bool,
        approvals: dict[str, str],
    ) -> None:
        self.called = False
        self._step = step
        self._provider = provider
        self._tool_names = frozenset(tool_names)
        self._web_search = web_search_name
        self._shell_is_hosted = shell_is_hosted
        self._approvals = dict(approvals)
        self._calls: dict[int, _Call] = {}
        self._searches: deque[str] = deque()
        self._sources = 0
        self._retrieved: set[str] = set()
        self._files: set[str] = set()

    def source_id(self) -> str:
        """Name the next source, uniquely for the message."""
        self._sources += 1
        return f"{self._step.metadata.get('responseId') or 'source'}-source-{self._sources}"

    def retrieved(self, annotation_type: str) -> bool:
        """Whether a tool has already shown as sources what such annotations cite."""
        return annotation_type in self._retrieved

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

    # -- pieces

    def _pm(self, item: JSON, **fields: JSON) -> dict[str, dict[str, JSON]]:
        return {self._provider: {"itemId": item["id"], **fields}}

    def _delta(self, call: _Call, text: str) -> ToolInputDelta:
        return ToolInputDelta(tool_call_id=call.call_id, input_text_delta=text)

    def _output(
        self,
        call_id: str,
        output: JSON,
        item: JSON = None,
        *,
        preliminary: bool | Absent = ABSENT,
    ) -> ToolOutputAvailable:
        return ToolOutputAvailable(
            tool_call_id=call_id,
            output=output,
            provider_executed=True,
            provider_metadata=self._pm(item) if item else ABSENT,
            preliminary=preliminary,
        )

    def _hosted_input(self, call_id: str, name: str, value: JSON) -> ToolInputAvailable:
        return ToolInputAvailable(
            tool_call_id=call_id, tool_name=name, input=value, provider_executed=True
        )

    def _runs_async(self, call: _Call | None, item: JSON) -> dict[str, JSON]:
        value = item.get("async")
        if value is None and call is not None:
            value = call.runs_async
        return {} if value is None else {"async": value}

    # -- functions and custom tools

    def _function_added(self, index: int, item: JSON) -> Chunks:
        name, call_id = item["name"], item["call_id"]
        is_leak = name == "parallel" and name not in self._tool_names
        self._calls[index] = _Call(
            call_id=call_id,
            name=name,
            held=[] if is_leak else None,
            runs_async=item.get("async"),
        )
        return [] if is_leak else [ToolInputStart(tool_call_id=call_id, tool_name=name)]

    def _arguments(self, call: _Call, event: JSON) -> Chunks:
        if call.held is not None:
            call.held.append(event["delta"])
            return []
        return [self._delta(call, event["delta"])]

    def _function_done(self, call: _Call | None, item: JSON) -> Chunks:
        self.called = True
        name, call_id, arguments = item["name"], item["call_id"], item["arguments"]
        chunks: Chunks = []
        if call is None:  # some servers never announce it
            chunks = [ToolInputStart(tool_call_id=call_id, tool_name=name)]
        elif call.held is not None:
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
        call = _Call(call_id=item["call_id"], name=item["name"], runs_async=item.get("async"))
        self._calls[index] = call
        return [
            ToolInputStart(tool_call_id=call.call_id, tool_name=call.name, input_encoding="text")
        ]

    def _custom_done(self, call: _Call | None, item: JSON) -> Chunks:
        self.called = True
        return [
            ToolInputAvailable(
                tool_call_id=item["call_id"],
                tool_name=item["name"],
                input=item["input"],
                provider_metadata=self._pm(item, **self._runs_async(call, item)),
            )
        ]

    # -- search

    def _web_search_added(self, index: int, item: JSON) -> Chunks:
        self._calls[index] = _Call(call_id=item["id"], name=self._web_search)
        return [
            ToolInputStart(
                tool_call_id=item["id"], tool_name=self._web_search, provider_executed=True
            ),
            self._hosted_input(item["id"], self._web_search, {}),
        ]

    def _web_search_done(self, call: _Call | None, item: JSON) -> Chunks:
        if item.get("status") != "completed":
            text = to_json({"status": item.get("status")})
            return [
                ToolOutputError(tool_call_id=item["id"], error_text=text, provider_executed=True)
            ]
        action = item.get("action") or {}
        chunks: Chunks = [self._output(item["id"], web_search_output(item.get("action")))]
        if action.get("type") == "search":
            for source in action.get("sources") or []:
                if source["type"] == "url":
                    self._retrieved.add("url_citation")
                    chunks.append(SourceUrl(source_id=self.source_id(), url=source["url"]))
        return chunks

    def _file_search_added(self, index: int, item: JSON) -> Chunks:
        return [self._hosted_input(item["id"], "file_search", {})]

    def _file_search_done(self, call: _Call | None, item: JSON) -> Chunks:
        chunks: Chunks = [self._output(item["id"], file_search_output(item))]
        for result in item.get("results") or []:
            self._retrieved.add("file_citation")
            if result["file_id"] in self._files:
                continue
            self._files.add(result["file_id"])
            chunks.append(
                SourceDocument(
                    source_id=self.source_id(),
                    media_type="text/plain",
                    title=result["filename"],
                    filename=result["filename"],
                    provider_metadata={
                        self._provider: {"type": "file_search", "fileId": result["file_id"]}
                    },
                )
            )
        return chunks

    def _tool_search_added(self, index: int, item: JSON) -> Chunks:
        is_hosted = item.get("execution") == "server"
        self._calls[index] = _Call(call_id=item["id"], name="tool_search", is_hosted=is_hosted)
        if not is_hosted:
            return []
        start = ToolInputStart(
            tool_call_id=item["id"], tool_name="tool_search", provider_executed=True
        )
        return [start]

    def _tool_search_done(self, call: _Call | None, item: JSON) -> Chunks:
        if call is None:
            return []
        is_hosted = item.get("execution") == "server"
        call_id: str = call.call_id if is_hosted else item.get("call_id") or item["id"]
        chunks: Chunks = []
        if is_hosted:
            self._searches.append(call_id)
        else:
            chunks.append(ToolInputStart(tool_call_id=call_id, tool_name=call.name))
        asked = {"arguments": item.get("arguments"), "call_id": None if is_hosted else call_id}
        available = ToolInputAvailable(
            tool_call_id=call_id,
            tool_name=call.name,
            input=asked,
            provider_executed=True if is_hosted else ABSENT,
            provider_metadata=self._pm(item),
        )
        return [*chunks, available]

    def _tool_search_output(self, call: _Call | None, item: JSON) -> Chunks:
        call_id = item.get("call_id")
        if call_id is None:
            call_id = self._searches.popleft() if self._searches else item["id"]
        return [self._output(call_id, {"tools": item["tools"]}, item)]

    # -- code, computer, images

    def _code_added(self, index: int, item: JSON) -> Chunks:
        call = _Call(call_id=item["id"], name="code_interpreter", container_id=item["container_id"])
        self._calls[index] = call
        start = ToolInputStart(
            tool_call_id=call.call_id, tool_name=call.name, provider_executed=True
        )
        head = f'{{"containerId":"{call.container_id}","code":"'
        return [start, self._delta(call, head)]

    def _code_delta(self, call: _Call, event: JSON) -> Chunks:
        return [self._delta(call, escaped(event["delta"]))]

    def _code_written(self, call: _Call, event: JSON) -> Chunks:
        value = {"code": event["code"], "containerId": call.container_id}
        return [self._delta(call, '"}'), self._hosted_input(call.call_id, call.name, value)]

    def _code_done(self, call: _Call | None, item: JSON) -> Chunks:
        chunks: Chunks = [self._output(item["id"], {"outputs": item.get("outputs")})]
        for output in item.get("outputs") or []:
            url = output.get("url") if output.get("type") == "image" else None
            if url and url.startswith("data:"):
                media_type = url[5:].partition(";")[0]
                chunks.append(File(url=url, media_type=media_type))
        return chunks

    def _computer_added(self, index: int, item: JSON) -> Chunks:
        call = _Call(call_id=item.get("call_id") or item["id"], name="computer")
        self._calls[index] = call
        return [ToolInputStart(tool_call_id=call.call_id, tool_name=call.name)]

    def _computer_done(self, call: _Call | None, item: JSON) -> Chunks:
        if item.get("call_id") is None:
            result = {"type": "computer_use_tool_result", "status": item.get("status")}
            return [
                self._hosted_input(item["id"], "computer_use", {}),
                self._output(item["id"], result),
            ]
        self.called = True
        value = computer_input(item)
        return [
            ToolInputDelta(tool_call_id=item["call_id"], input_text_delta=to_json(value)),
            ToolInputAvailable(
                tool_call_id=item["call_id"],
                tool_name="computer",
                input=value,
                provider_metadata=self._pm(item),
            ),
        ]

    def _image_added(self, index: int, item: JSON) -> Chunks:
        return [self._hosted_input(item["id"], "image_generation", {})]

    def _image_done(self, call: _Call | None, item: JSON) -> Chunks:
        chunks: Chunks = [self._output(item["id"], {"result": item.get("result")})]
        if item.get("result"):
            media_type = f"image/{item.get('output_format') or 'png'}"
            url = f"data:{media_type};base64,{item['result']}"
            chunks.append(File(url=url, media_type=media_type))
        return chunks

    # -- MCP and programs

    def _mcp_done(self, call: _Call | None, item: JSON) -> Chunks:
        request_id = item.get("approval_request_id")
        item_id: str = item["id"]
        call_id = self._approvals.get(request_id or "", item_id)
        available = self._step.tool_input(
            call_id, f"mcp.{item['name']}", item["arguments"], provider_executed=True, dynamic=True
        )
        if item.get("error") is not None:
            failure = ToolOutputError(
                tool_call_id=call_id,
                error_text=to_json(mcp_output(item)),
                provider_executed=True,
                provider_metadata=self._pm(item),
            )
            return [available, failure]
        return [available, self._output(call_id, mcp_output(item), item)]

    def _mcp_approval_done(self, call: _Call | None, item: JSON) -> Chunks:
        request_id = item.get("approval_request_id") or item["id"]
        call_id = f"call-{request_id}"
        self._approvals[request_id] = call_id
        return [
            self._step.tool_input(
                call_id,
                f"mcp.{item['name']}",
                item["arguments"],
                provider_executed=True,
                dynamic=True,
            ),
            ToolApprovalRequest(approval_id=request_id, tool_call_id=call_id),
        ]

    def _program_done(self, call: _Call | None, item: JSON) -> Chunks:
        value = {"code": item["code"], "fingerprint": item.get("fingerprint")}
        available = ToolInputAvailable(
            tool_call_id=item["call_id"],
            tool_name="programmatic_tool_calling",
            input=value,
            provider_executed=True,
            provider_metadata=self._pm(item),
        )
        return [available]

    def _program_output(self, call: _Call | None, item: JSON) -> Chunks:
        output = {"result": item.get("result"), "status": item.get("status")}
        return [self._output(item["call_id"], output, item)]

    # -- shells and patches

    def _local_shell_done(self, call: _Call | None, item: JSON) -> Chunks:
        value = local_shell_input(item)
        return [self._shell_call(item, "local_shell", value)]

    def _shell_done(self, call: _Call | None, item: JSON) -> Chunks:
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

    def _shell_output(self, call: _Call | None, item: JSON) -> Chunks:
        return [self._output(item["call_id"], shell_output(item))]

    def _patch_added(self, index: int, item: JSON) -> Chunks:
        operation = item["operation"]
        is_delete = operation["type"] == "delete_file"
        call = _Call(
            call_id=item["call_id"], name="apply_patch", has_diff=is_delete, input_ended=is_delete
        )
        self._calls[index] = call
        start = ToolInputStart(tool_call_id=call.call_id, tool_name=call.name)
        return [start, self._delta(call, apply_patch_head(call.call_id, operation))]

    def _patch_delta(self, call: _Call, event: JSON) -> Chunks:
        call.has_diff = True
        return [self._delta(call, escaped(event["delta"]))]

    def _patch_written(self, call: _Call, event: JSON) -> Chunks:
        return self._end_patch(call, event["diff"])

    def _end_patch(self, call: _Call, diff: str) -> Chunks:
        if call.input_ended:
            return []
        call.input_ended = True
        chunks: Chunks = [] if call.has_diff else [self._delta(call, escaped(diff))]
        call.has_diff = True
        return [*chunks, self._delta(call, '"}}')]

    def _patch_done(self, call: _Call | None, item: JSON) -> Chunks:
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
        "code_interpreter_call": _code_added,
        "computer_call": _computer_added,
        "custom_tool_call": _custom_added,
        "file_search_call": _file_search_added,
        "function_call": _function_added,
        "image_generation_call": _image_added,
        "tool_search_call": _tool_search_added,
        "web_search_call": _web_search_added,
    }
    _DONE: ClassVar[dict[str, Callable[[Any, _Call | None, JSON], Chunks]]] = {
        "apply_patch_call": _patch_done,
        "code_interpreter_call": _code_done,
        "computer_call": _computer_done,
        "custom_tool_call": _custom_done,
        "file_search_call": _file_search_done,
        "function_call": _function_done,
        "image_generation_call": _image_done,
        "local_shell_call": _local_shell_done,
        "mcp_approval_request": _mcp_approval_done,
        "mcp_call": _mcp_done,
        "program": _program_done,
        "program_output": _program_output,
        "shell_call": _shell_done,
        "shell_call_output": _shell_output,
        "tool_search_call": _tool_search_done,
        "tool_search_output": _tool_search_output,
        "web_search_call": _web_search_done,
    }
    _PROGRESS: ClassVar[dict[str | None, Callable[[Any, _Call, JSON], Chunks]]] = {
        "response.apply_patch_call_operation_diff.delta": _patch_delta,
        "response.apply_patch_call_operation_diff.done": _patch_written,
        "response.code_interpreter_call_code.delta": _code_delta,
        "response.code_interpreter_call_code.done": _code_written,
        "response.custom_tool_call_input.delta": _arguments,
        "response.function_call_arguments.delta": _arguments,
    }
