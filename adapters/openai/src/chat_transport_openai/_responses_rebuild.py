"""Items of OpenAI's own tools, built again from what a message keeps of them. Rule: pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeAlias

from chat_transport.prompt import ToolCall, ToolResult
from chat_transport.step import to_json

from ._responses_outputs import known

__all__ = ["local_tool_call", "local_tool_output", "shell_call_output", "web_search_call"]

JSON: TypeAlias = Any  # any JSON value


def web_search_call(part: ToolResult, item_id: str) -> JSON:
    """Give a web search with what it found; None if `part` is none."""
    action = part.value.get("action") if isinstance(part.value, dict) else None
    if part.tool_name not in {"web_search", "web_search_preview"} or not action:
        return None
    if action["type"] == "search":
        done = {"type": "search", **known(query=action.get("query"), queries=action.get("queries"))}
        done |= known(sources=part.value.get("sources"))
    elif action["type"] == "openPage":
        done = {"type": "open_page", **known(url=action.get("url"))}
    else:
        found = known(url=action.get("url"), pattern=action.get("pattern"))
        done = {"type": "find_in_page", **found}
    return {"type": "web_search_call", "id": item_id, "status": "completed", "action": done}


def local_tool_call(
    part: ToolCall,
    item_id: str | None,
    local_tools: Collection[str],
    custom_tools: Collection[str],
) -> JSON:
    """Give the item of a provider-defined tool's call; None if it is a plain function's."""
    name, value, call_id = part.tool_name, part.input, part.tool_call_id
    named = known(id=item_id)
    if name in custom_tools:
        text = value if isinstance(value, str) else to_json(value)
        call = {"type": "custom_tool_call", "call_id": call_id, "name": name, "input": text}
        return call | named
    if name == "tool_search" and isinstance(value, dict):
        return {
            "type": "tool_search_call",
            "id": item_id or call_id,
            "execution": "client" if value.get("call_id") is not None else "server",
            "call_id": value.get("call_id"),
            "status": "completed",
            "arguments": value.get("arguments"),
        }
    if name == "programmatic_tool_calling" and isinstance(value, dict):
        program = known(code=value.get("code"), fingerprint=value.get("fingerprint"))
        return {"type": "program", "id": item_id or call_id, "call_id": call_id, **program}
    if name not in local_tools:
        return None
    if name == "local_shell":
        action = value["action"]
        run = known(
            command=action.get("command"),
            timeout_ms=action.get("timeoutMs"),
            user=action.get("user"),
            working_directory=action.get("workingDirectory"),
            env=action.get("env"),
        )
        head = {"type": "local_shell_call", "call_id": call_id, **named}
        return head | {"action": {"type": "exec", **run}}
    if name == "shell":
        action = value["action"]
        run = known(
            commands=action.get("commands"),
            timeout_ms=action.get("timeoutMs"),
            max_output_length=action.get("maxOutputLength"),
        )
        head = {"type": "shell_call", "call_id": call_id, **named, "status": "completed"}
        return head | {"action": run}
    if name == "apply_patch":
        head = {"type": "apply_patch_call", "call_id": value["callId"], **named}
        return head | {"status": "completed", "operation": value["operation"]}
    if name == "computer":
        return _computer_call(part, named)
    return None


def _computer_call(part: ToolCall, named: dict[str, JSON]) -> JSON:
    renamed = {"scrollX": "scroll_x", "scrollY": "scroll_y"}
    actions = [
        {renamed.get(key, key): value for key, value in action.items()}
        for action in part.input["actions"]
    ]
    return {
        "type": "computer_call",
        "call_id": part.tool_call_id,
        **named,
        "status": part.input.get("status"),
        "actions": actions,
        "pending_safety_checks": part.input.get("pendingSafetyChecks", []),
    }


def local_tool_output(
    part: ToolResult, item_id: str | None, local_tools: Collection[str] = ()
) -> JSON:
    """Give the item of a provider-defined tool's output; None if it is a plain function's.

    Args:
        part: What the tool gave.
        item_id: The stored item, for tools that the provider ran; None for the caller's.
        local_tools: The provider-defined tools that were declared.
    """
    name, value, call_id = part.tool_name, part.value, part.tool_call_id
    if name == "tool_search" and isinstance(value, dict) and "tools" in value:
        by_server = item_id is not None
        head = {"type": "tool_search_output", **known(id=item_id)}
        return head | {
            "execution": "server" if by_server else "client",
            "call_id": None if by_server else call_id,
            "status": "completed",
            "tools": value["tools"],
        }
    if name == "programmatic_tool_calling" and item_id is not None:
        outcome = {"result": value.get("result"), "status": value.get("status")}
        return {"type": "program_output", "id": item_id, "call_id": call_id, **outcome}
    if name not in local_tools:
        return None
    if name == "shell":
        return shell_call_output(part)
    if name == "local_shell":
        output = value["output"]
        return {"type": "local_shell_call_output", "call_id": call_id, "output": output}
    if name == "apply_patch":
        outcome = {"status": value.get("status"), **known(output=value.get("output"))}
        return {"type": "apply_patch_call_output", "call_id": call_id, **outcome}
    if name == "computer":
        shot = value["output"]
        screenshot = known(
            image_url=shot.get("imageUrl"), file_id=shot.get("fileId"), detail=shot.get("detail")
        )
        head = {"type": "computer_call_output", "call_id": call_id}
        head |= {"output": {"type": "computer_screenshot", **screenshot}}
        return head | known(acknowledged_safety_checks=value.get("acknowledgedSafetyChecks"))
    return None


def shell_call_output(part: ToolResult) -> JSON:
    """Give what the commands of a shell call wrote."""
    output = [
        {
            "stdout": result["stdout"],
            "stderr": result["stderr"],
            "outcome": {"type": "exit", "exit_code": result["outcome"]["exitCode"]}
            if result["outcome"]["type"] == "exit"
            else {"type": "timeout"},
        }
        for result in part.value["output"]
    ]
    limit = known(max_output_length=part.value.get("maxOutputLength"))
    head = {"type": "shell_call_output", "call_id": part.tool_call_id}
    return head | limit | {"output": output}
