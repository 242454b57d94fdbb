"""Inputs and outputs of the Responses API's own tools, in the AI SDK's spelling. Rule: pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeAlias

import msgspec

from chat_transport.chunks import (
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputStart,
    UIMessageChunk,
)
from chat_transport.step import to_json

__all__ = [
    "apply_patch_head",
    "computer_input",
    "escaped",
    "expand_parallel",
    "file_search_output",
    "local_shell_input",
    "mcp_output",
    "shell_input",
    "shell_output",
    "web_search_output",
]

JSON: TypeAlias = Any  # any JSON value


def escaped(text: str) -> str:
    """Write text as it stands inside a JSON string."""
    return to_json(text)[1:-1]


def known(**fields: JSON) -> dict[str, JSON]:
    """Leave out what is None."""
    return {name: value for name, value in fields.items() if value is not None}


def web_search_output(action: JSON) -> dict[str, JSON]:
    """What a web search did: searched, opened a page, or looked in it."""
    kind = action.get("type") if action else None
    if kind == "search":
        searched = {"type": "search"} | known(
            query=action.get("query"), queries=action.get("queries")
        )
        return {"action": searched} | known(sources=action.get("sources"))
    if kind == "open_page":
        return {"action": {"type": "openPage", **_told(action, "url")}}
    if kind == "find_in_page":
        return {"action": {"type": "findInPage", **_told(action, "url", "pattern")}}
    return {}


def _told(action: JSON, *names: str) -> dict[str, JSON]:
    """Give fields as they are told: null too, which a page has that was not found."""
    return {name: action[name] for name in names if name in action}


def file_search_output(item: JSON) -> dict[str, JSON]:
    """What a file search found; null if the results were not asked for."""
    results = item.get("results")
    found = results and [
        known(
            attributes=result.get("attributes"),
            fileId=result.get("file_id"),
            filename=result.get("filename"),
            score=result.get("score"),
            text=result.get("text"),
        )
        for result in results
    ]
    return {"queries": item.get("queries"), "results": found if results is not None else None}


def mcp_output(item: JSON) -> dict[str, JSON]:
    """What a call of an MCP server gave."""
    return {
        "type": "call",
        "serverLabel": item["server_label"],
        "name": item["name"],
        "arguments": item["arguments"],
        **known(output=item.get("output"), error=item.get("error")),
    }


def local_shell_input(item: JSON) -> dict[str, JSON]:
    """The command that the caller's machine shall run."""
    action = item["action"]
    return {
        "action": {
            "type": "exec",
            **known(
                command=action.get("command"),
                timeoutMs=action.get("timeout_ms"),
                user=action.get("user"),
                workingDirectory=action.get("working_directory"),
                env=action.get("env"),
            ),
        }
    }


def shell_input(item: JSON) -> dict[str, JSON]:
    """The commands of a shell call."""
    action = item["action"]
    return {
        "action": known(
            commands=action.get("commands"),
            timeoutMs=action.get("timeout_ms"),
            maxOutputLength=action.get("max_output_length"),
        )
    }


def shell_output(item: JSON) -> dict[str, JSON]:
    """What the commands of a shell call wrote, and how each ended."""
    output = [
        {
            "stdout": result["stdout"],
            "stderr": result["stderr"],
            "outcome": {"type": "exit", "exitCode": result["outcome"]["exit_code"]}
            if result["outcome"]["type"] == "exit"
            else {"type": "timeout"},
        }
        for result in item["output"]
    ]
    return {**known(maxOutputLength=item.get("max_output_length")), "output": output}


def apply_patch_head(call_id: str, operation: JSON) -> str:
    """The input of a patch up to its diff; all of it for a deletion, which has none."""
    if operation["type"] == "delete_file":
        return to_json({"callId": call_id, "operation": operation})
    return (
        f'{{"callId":"{escaped(call_id)}","operation":{{"type":"{escaped(operation["type"])}",'
        f'"path":"{escaped(operation["path"])}","diff":"'
    )


def computer_input(item: JSON) -> dict[str, JSON]:
    """What the model wants done on the caller's screen."""
    action = item.get("action")
    actions = item.get("actions") or ([action] if action else [])
    checks = item.get("pending_safety_checks") or []
    return {
        "actions": [_computer_action(one) for one in actions],
        "pendingSafetyChecks": [
            {"id": check["id"], **known(code=check.get("code"), message=check.get("message"))}
            for check in checks
        ],
        "status": item.get("status"),
    }


def _computer_action(action: JSON) -> dict[str, JSON]:
    renamed: dict[str, str] = {"scroll_x": "scrollX", "scroll_y": "scrollY"}
    given: dict[str, JSON] = known(**action)
    return {renamed.get(name, name): value for name, value in given.items()}


def expand_parallel(
    item: JSON, tool_names: Collection[str], provider: str
) -> list[UIMessageChunk] | None:
    """Take apart a leaked `parallel` call into the calls that it wraps.

    None unless every wrapped call names a declared function.
    """
    try:
        uses = msgspec.json.decode(item["arguments"])["tool_uses"]
        calls = [(use["recipient_name"], use["parameters"]) for use in uses]
    except (msgspec.DecodeError, KeyError, TypeError):
        return None
    chunks: list[UIMessageChunk] = []
    for index, (recipient, parameters) in enumerate(calls):
        name = recipient.removeprefix("functions.")
        if name == recipient or name not in tool_names or not isinstance(parameters, dict):
            return None
        call_id = f"{item['call_id']}_{index}"
        wrapper = {
            "itemId": item["id"],
            "toolCallId": item["call_id"],
            "toolName": item["name"],
            **({"input": item["arguments"]} if index == 0 else {}),
            "index": index,
            "count": len(calls),
        }
        chunks += [
            ToolInputStart(tool_call_id=call_id, tool_name=name),
            ToolInputDelta(tool_call_id=call_id, input_text_delta=to_json(parameters)),
            ToolInputAvailable(
                tool_call_id=call_id,
                tool_name=name,
                input=parameters,
                provider_metadata={provider: {"parallelToolCall": wrapper}},
            ),
        ]
    return chunks or None
