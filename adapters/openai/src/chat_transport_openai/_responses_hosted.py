"""Items of tools that OpenAI runs: search, code, images, MCP, programs; what all items share.

Rule: pure. A tool that the provider runs says `providerExecuted` on input and output.
Source: openai 3.52.0 item types; AI SDK 7.0.173 (@ai-sdk/openai 4.0.118) for the chunks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

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
    computer_input,
    escaped,
    file_search_output,
    mcp_output,
    web_search_output,
)

if TYPE_CHECKING:
    from ._responses_events import ResponsesDecoder

__all__ = ["Call", "HostedItems"]

JSON: TypeAlias = Any  # any JSON value
Chunks: TypeAlias = list[UIMessageChunk]


@dataclass(slots=True, kw_only=True)
class Call:
    """A tool item under way."""

    call_id: str
    name: str
    container_id: str | None = None
    has_diff: bool = False
    input_ended: bool = False
    held: list[str] | None = None
    """Deltas of an undeclared `parallel` call, held until it is known what it is."""
    runs_async: bool | None = None


class HostedItems:
    """Items of tools that the provider runs.

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
        self._calls: dict[int, Call] = {}
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

    # -- pieces

    def _pm(self, item: JSON, **fields: JSON) -> dict[str, dict[str, JSON]]:
        return {self._provider: {"itemId": item["id"], **fields}}

    def _delta(self, call: Call, text: str) -> ToolInputDelta:
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

    def _runs_async(self, call: Call | None, item: JSON) -> dict[str, JSON]:
        value = item.get("async")
        if value is None and call is not None:
            value = call.runs_async
        return {} if value is None else {"async": value}

    # -- search

    def web_search_added(self, index: int, item: JSON) -> Chunks:
        """A web search begins."""
        self._calls[index] = Call(call_id=item["id"], name=self._web_search)
        return [
            ToolInputStart(
                tool_call_id=item["id"], tool_name=self._web_search, provider_executed=True
            ),
            self._hosted_input(item["id"], self._web_search, {}),
        ]

    def web_search_done(self, call: Call | None, item: JSON) -> Chunks:
        """A web search is complete."""
        # Azure says `searching` of a search that is done.
        if item.get("status") != "completed" and self._provider != "azure":
            text = to_json({"status": item.get("status")})
            outcome: UIMessageChunk = ToolOutputError(
                tool_call_id=item["id"], error_text=text, provider_executed=True
            )
        else:
            outcome = self._output(item["id"], web_search_output(item.get("action")))
        action = item.get("action") or {}
        chunks: Chunks = [outcome]
        if action.get("type") == "search":
            for source in action.get("sources") or []:
                if source["type"] == "url":
                    self._retrieved.add("url_citation")
                    chunks.append(SourceUrl(source_id=self.source_id(), url=source["url"]))
        return chunks

    def file_search_added(self, index: int, item: JSON) -> Chunks:
        """A file search begins."""
        return [self._hosted_input(item["id"], "file_search", {})]

    def file_search_done(self, call: Call | None, item: JSON) -> Chunks:
        """A file search is complete."""
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

    def tool_search_added(self, index: int, item: JSON) -> Chunks:
        """A search for tools begins."""
        is_hosted = item.get("execution") == "server"
        self._calls[index] = Call(call_id=item["id"], name="tool_search")
        if not is_hosted:
            return []
        start = ToolInputStart(
            tool_call_id=item["id"], tool_name="tool_search", provider_executed=True
        )
        return [start]

    def tool_search_done(self, call: Call | None, item: JSON) -> Chunks:
        """A search for tools is complete."""
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

    def tool_search_output(self, call: Call | None, item: JSON) -> Chunks:
        """A search for tools has its output."""
        call_id = item.get("call_id")
        if call_id is None:
            call_id = self._searches.popleft() if self._searches else item["id"]
        return [self._output(call_id, {"tools": item["tools"]}, item)]

    # -- code, computer, images

    def code_added(self, index: int, item: JSON) -> Chunks:
        """A call of the code interpreter begins."""
        call = Call(call_id=item["id"], name="code_interpreter", container_id=item["container_id"])
        self._calls[index] = call
        start = ToolInputStart(
            tool_call_id=call.call_id, tool_name=call.name, provider_executed=True
        )
        head = f'{{"containerId":"{call.container_id}","code":"'
        return [start, self._delta(call, head)]

    def code_delta(self, call: Call, event: JSON) -> Chunks:
        """A call of the code interpreter goes on."""
        return [self._delta(call, escaped(event["delta"]))]

    def code_written(self, call: Call, event: JSON) -> Chunks:
        """A call of the code interpreter has its whole input."""
        value = {"code": event["code"], "containerId": call.container_id}
        return [self._delta(call, '"}'), self._hosted_input(call.call_id, call.name, value)]

    def code_done(self, call: Call | None, item: JSON) -> Chunks:
        """A call of the code interpreter is complete."""
        chunks: Chunks = [self._output(item["id"], {"outputs": item.get("outputs")})]
        for output in item.get("outputs") or []:
            url = output.get("url") if output.get("type") == "image" else None
            if url and url.startswith("data:"):
                media_type = url[5:].partition(";")[0]
                chunks.append(File(url=url, media_type=media_type))
        return chunks

    def computer_added(self, index: int, item: JSON) -> Chunks:
        """A computer call begins."""
        call = Call(call_id=item.get("call_id") or item["id"], name="computer")
        self._calls[index] = call
        return [ToolInputStart(tool_call_id=call.call_id, tool_name=call.name)]

    def computer_done(self, call: Call | None, item: JSON) -> Chunks:
        """A computer call is complete."""
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

    def image_added(self, index: int, item: JSON) -> Chunks:
        """An image under way begins."""
        return [self._hosted_input(item["id"], "image_generation", {})]

    def image_done(self, call: Call | None, item: JSON) -> Chunks:
        """An image under way is complete."""
        chunks: Chunks = [self._output(item["id"], {"result": item.get("result")})]
        if item.get("result"):
            media_type = f"image/{item.get('output_format') or 'png'}"
            url = f"data:{media_type};base64,{item['result']}"
            chunks.append(File(url=url, media_type=media_type))
        return chunks

    # -- MCP and programs

    def mcp_done(self, call: Call | None, item: JSON) -> Chunks:
        """A call of an MCP server is complete."""
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

    def mcp_approval_done(self, call: Call | None, item: JSON) -> Chunks:
        """A question for a person's leave is complete."""
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

    def program_done(self, call: Call | None, item: JSON) -> Chunks:
        """A program of the model is complete."""
        value = {"code": item["code"], "fingerprint": item.get("fingerprint")}
        available = ToolInputAvailable(
            tool_call_id=item["call_id"],
            tool_name="programmatic_tool_calling",
            input=value,
            provider_executed=True,
            provider_metadata=self._pm(item),
        )
        return [available]

    def program_output(self, call: Call | None, item: JSON) -> Chunks:
        """A program of the model has its output."""
        output = {"result": item.get("result"), "status": item.get("status")}
        return [self._output(item["call_id"], output, item)]
