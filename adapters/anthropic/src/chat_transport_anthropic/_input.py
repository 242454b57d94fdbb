"""A prompt as Anthropic's `system` and `messages`.

Rule: pure. Turns of one side that follow each other are one message; tool results belong to the
user's side; a block is left out if Anthropic could not have made it.
Source: AI SDK 7.0.173 (@ai-sdk/anthropic 4.0.105) and its request goldens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, ClassVar, TypeAlias

import msgspec

from chat_transport.errors import LocalProtocolError
from chat_transport.prompt import (
    Custom,
    File,
    PromptMessage,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from chat_transport.step import to_json

from ._rebuild import result_block, server_call

__all__ = ["messages_input"]

JSON: TypeAlias = Any  # any JSON value
Block: TypeAlias = dict[str, JSON]

_SIDES = {"system": "system", "assistant": "assistant", "user": "user", "tool": "user"}


def messages_input(prompt: Sequence[PromptMessage]) -> tuple[list[Block], list[Block], set[str]]:
    """Give `system`, `messages`, and the betas that they need.

    Raises:
        LocalProtocolError: If a file is of a kind that Anthropic does not take.
    """
    writer = _Writer()
    sides = [(side, list(turns)) for side, turns in groupby(prompt, lambda t: _SIDES[t.role])]
    for index, (side, turns) in enumerate(sides):
        writer.side(side, turns, is_first=index == 0, is_last=index == len(sides) - 1)
    writer.forget_lost_callers()
    return writer.system, writer.messages, writer.betas


class _Writer:
    def __init__(self) -> None:
        self.system: list[Block] = []
        self.messages: list[Block] = []
        self.betas: set[str] = set()
        self._mcp_calls: set[str] = set()
        self._last_user = 0

    def side(
        self, side: str, turns: Sequence[PromptMessage], *, is_first: bool, is_last: bool
    ) -> None:
        if side == "system":
            blocks = [_cached({"type": "text", "text": turn.text}, turn) for turn in turns]
            if is_first or not self.system:
                self.system = blocks
            else:  # in mid-conversation it stays where it was said
                self.betas.add("mid-conversation-system-2026-04-07")
                self.messages += [{"role": "system", "content": [block]} for block in blocks]
        elif side == "user":
            content = [block for turn in turns for block in self._user(turn)]
            if any(turn.role == "user" for turn in turns):
                self._last_user = len(self.messages)
            self.messages.append({"role": "user", "content": content})
        else:
            content = [block for turn in turns for block in self._assistant(turn)]
            if is_last and content and content[-1]["type"] == "text":
                content[-1]["text"] = content[-1]["text"].strip()  # the API refuses it otherwise
            if content:
                self.messages.append({"role": "assistant", "content": _calls_last(content)})

    def forget_lost_callers(self) -> None:
        """Leave out who called a tool where that program is no longer in the history.

        A turn that is not over keeps it: Anthropic resumes the program by it.
        """
        said = [one for one in self.messages if one["role"] == "assistant"]
        programs = {
            block["id"]
            for message in said
            for block in message["content"]
            if block["type"] == "server_tool_use" and block["name"] == "code_execution"
        }
        for message in self.messages[: self._last_user]:
            for block in message["content"] if message["role"] == "assistant" else ():
                caller = block.get("caller")
                if caller and caller["type"] != "direct" and caller["tool_id"] not in programs:
                    del block["caller"]

    # -- the user's side

    def _user(self, turn: PromptMessage) -> Iterator[Block]:
        for part in turn.content:
            if isinstance(part, Text):
                yield _marked({"type": "text", "text": part.text}, part)
            elif isinstance(part, File):
                yield _marked(self._file(part, turn.message_id), part)
            elif isinstance(part, ToolResult):
                yield _marked(_tool_result(part), part)

    def _file(self, file: File, message_id: str) -> Block:
        own = _own(file)
        reference = file.references.get("anthropic")
        kind = "image" if file.kind == "image" else "document"
        if reference is not None:
            self.betas.add("files-api-2025-04-14")
            if own.get("containerUpload"):
                return {"type": "container_upload", "file_id": reference}
            return {"type": kind, "source": {"type": "file", "file_id": reference}}
        if kind == "document" and file.media_type not in {"application/pdf", "text/plain"}:
            raise LocalProtocolError(
                f"unable to send file {file.filename or ''!r} ({file.media_type}) of message "
                f"{message_id!r}; Anthropic takes images, PDFs, plain text and file ids"
            )
        if file.media_type == "application/pdf":
            self.betas.add("pdfs-2024-09-25")
        block: Block = {"type": kind, "source": _source(file)}
        if kind == "image":
            return block
        title = own.get("title") or file.filename
        if title is not None:
            block["title"] = title
        if own.get("context"):
            block["context"] = own["context"]
        if (own.get("citations") or {}).get("enabled"):
            block["citations"] = {"enabled": True}
        return block

    # -- the assistant's side

    def _assistant(self, turn: PromptMessage) -> Iterator[Block]:
        for part in turn.content:
            write = self._WRITE.get(type(part))
            block = write(self, part) if write is not None else None
            if block is not None:
                yield block if isinstance(part, Reasoning) else _marked(block, part)

    def _text(self, part: Text) -> Block | None:
        if not part.text:
            return None
        own = _own(part)
        if own.get("type") == "compaction":
            block: Block = {"type": "compaction", "content": part.text}
            if own.get("signature") is not None:
                self.betas.add("compact-2026-09-04")
                block["signature"] = own["signature"]
            return block
        cited = {"citations": own["citations"]} if own.get("citations") is not None else {}
        return {"type": "text", "text": part.text, **cited}

    def _thought(self, part: Reasoning) -> Block | None:
        own = _own(part)
        if own.get("signature") is not None:
            return {"type": "thinking", "thinking": part.text, "signature": own["signature"]}
        if own.get("redactedData") is not None:
            return {"type": "redacted_thinking", "data": own["redactedData"]}
        return None

    def _custom(self, part: Custom) -> Block | None:
        own = _own(part)
        if part.kind != "anthropic.fallback" or "from" not in own or "to" not in own:
            return None
        self.betas.add("server-side-fallback-2026-06-01")
        return {"type": "fallback", "from": own["from"], "to": own["to"]}

    def _call(self, part: ToolCall) -> Block | None:
        own = _own(part)
        if part.provider_executed:
            if own.get("type") == "mcp-tool-use":
                self._mcp_calls.add(part.tool_call_id)
            return server_call(part, own)
        block: Block = {"type": "tool_use", "id": part.tool_call_id, "name": part.tool_name}
        value = _object(part.input)
        toolset = own.get("toolsetName")
        if toolset is not None:
            block |= {"name": value.get("action", toolset), "toolset_name": toolset}
        return block | {"input": value, **_caller(own)}

    def _own_result(self, part: ToolResult) -> Block | None:
        is_mcp = part.tool_call_id in self._mcp_calls
        block = result_block(part, is_mcp=is_mcp)
        if block is not None and part.tool_name in {"web_search", "web_fetch"} and not is_mcp:
            return block | _caller(_own(part))
        return block

    _WRITE: ClassVar[dict[type, Callable[[Any, Any], Block | None]]] = {
        Text: _text,
        Reasoning: _thought,
        Custom: _custom,
        ToolCall: _call,
        ToolResult: _own_result,
    }


def _own(part: Any) -> Mapping[str, JSON]:
    own: Mapping[str, JSON] = part.options.get("anthropic", {})
    return own


def _marked(block: Block, part: Any) -> Block:
    """Add a cache breakpoint where the part asks for one."""
    own = _own(part)
    control = own.get("cacheControl") or own.get("cache_control")
    return block if control is None else block | {"cache_control": control}


def _cached(block: Block, turn: PromptMessage) -> Block:
    return _marked(block, turn.content[0]) if turn.content else block


def _source(file: File) -> Block:
    if not file.is_inline:
        return {"type": "url", "url": file.url}
    if file.media_type == "text/plain":
        text = file.data().decode("utf-8", "replace")
        return {"type": "text", "media_type": "text/plain", "data": text}
    return {"type": "base64", "media_type": file.media_type, "data": file.base64()}


def _tool_result(part: ToolResult) -> Block:
    as_json = part.kind in {"json", "error-json"}
    content = to_json(part.value) if as_json else part.value
    toolset = _own(part).get("toolsetName")
    return {
        "type": "tool_result",
        "tool_use_id": part.tool_call_id,
        **({"toolset_name": toolset} if toolset is not None else {}),
        "content": content,
        **({"is_error": True} if part.is_error else {}),
    }


def _object(value: JSON) -> dict[str, JSON]:
    """Give an input as the object that Anthropic wants."""
    if isinstance(value, str):
        try:
            parsed = msgspec.json.decode(value)
        except msgspec.DecodeError:
            return {"rawInvalidInput": value}
        return parsed if isinstance(parsed, dict) else {"rawInvalidInput": value}
    return value if isinstance(value, dict) else {"rawInvalidInput": value}


def _caller(own: Mapping[str, JSON]) -> Block:
    caller = own.get("caller") or {}
    if caller.get("toolId"):
        return {"caller": {"type": caller["type"], "tool_id": caller["toolId"]}}
    return {"caller": {"type": "direct"}} if caller.get("type") == "direct" else {}


def _calls_last(content: Sequence[Block]) -> list[Block]:
    """Put calls behind the words of their segment; thinking starts a segment."""
    ordered: list[Block] = []
    segment: list[Block] = []

    def end_segment() -> None:
        ordered.extend(block for block in segment if block["type"] != "tool_use")
        ordered.extend(block for block in segment if block["type"] == "tool_use")
        segment.clear()

    for block in content:
        if block["type"] in {"thinking", "redacted_thinking", "fallback"}:
            end_segment()
            ordered.append(block)
        else:
            segment.append(block)
    end_segment()
    return ordered
