"""What adapters send for given messages, beside what the AI SDK sends.

Rule: where the AI SDK refuses, ours must refuse or be a listed difference; `tools`, `stream` and
`include` are not compared, as the golden requests leave them out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from ..errors import LocalProtocolError
from ..messages import UIMessage

__all__ = ["REQUEST_DIFFERENCES", "RequestDifference", "RequestOutcome", "check_requests"]

JSON: TypeAlias = Any  # any JSON value
Body: TypeAlias = Callable[[Sequence[UIMessage]], JSON]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDifference:
    """One deliberate difference of requests.

    Attributes:
        applies: Whether ours and the golden body differ in this way and no other.
    """

    name: str
    reason: str
    applies: Callable[[str, JSON, JSON], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestOutcome:
    """How one body fared; `fault` is None if it is equal or listed."""

    case: str
    target: str
    listed: str | None = None
    fault: str | None = None


REQUEST_DIFFERENCES: tuple[RequestDifference, ...] = (
    RequestDifference(
        name="never-fetches",
        reason="no file is fetched unless a download hook is given: an address that the AI SDK "
        "would fetch is passed on, or refused with the remedy",
        applies=lambda _target, _ours, golden: (
            isinstance(golden, dict) and "DownloadError" in str(golden.get("__error__", ""))
        ),
    ),
    RequestDifference(
        name="no-empty-messages",
        reason="a user's message without words or files is not sent; the AI SDK sends it empty, "
        "which providers refuse",
        applies=lambda _target, ours, golden: ours == _spoken(golden),
    ),
    RequestDifference(
        name="carries-foreign-results",
        reason="what another provider's tool gave is no reason to refuse a chat: it is left out; "
        "the AI SDK's schema of the own tool of that name refuses the whole request",
        applies=lambda _target, ours, golden: (
            "__error__" not in ours
            and isinstance(golden, dict)
            and str(golden.get("__error__", "")).startswith(("AI_TypeValidationError", "ZodError"))
        ),
    ),
    RequestDifference(
        name="trims-the-last-text",
        reason="the last text of an assistant that speaks last is trimmed whatever came after it "
        "and is not sent; the AI SDK then leaves spaces at its end, which Anthropic refuses",
        applies=lambda target, ours, golden: (
            target == "anthropic" and ours != golden and ours == _trimmed(golden)
        ),
    ),
    RequestDifference(
        name="completes-lost-input",
        reason="a call whose input is lost has an empty one, as the AI SDK tells OpenAI; others it "
        "tells of none, which they refuse",
        applies=lambda _target, ours, golden: _completed(golden) == ours,
    ),
    RequestDifference(
        name="wraps-broken-input",
        reason="Gemini takes objects as arguments alone: an input that was never one goes back as "
        "`{rawInvalidInput}`, as it does to Anthropic; the AI SDK sends it bare and is refused",
        applies=lambda target, ours, golden: (
            target.startswith("google") and _unwrapped(ours) == golden
        ),
    ),
)


def _spoken(golden: JSON) -> JSON:
    if not isinstance(golden, dict):
        return golden
    empty = ({"role": "user", "content": []}, {"role": "user", "parts": []})
    return {
        key: [one for one in value if one not in empty] if isinstance(value, list) else value
        for key, value in golden.items()
    }


def _trimmed(golden: JSON) -> JSON:
    """Trim the last text of the body, if it is the last that the assistant says."""
    if not (isinstance(golden, dict) and golden.get("messages")):
        return golden
    *turns, last = golden["messages"]
    if not isinstance(last, dict):
        return golden
    content = last["content"]
    if last["role"] != "assistant" or not content or content[-1].get("type") != "text":
        return golden
    text = content[-1] | {"text": content[-1]["text"].strip()}
    return golden | {"messages": [*turns, last | {"content": [*content[:-1], text]}]}


def _completed(value: JSON) -> JSON:
    """Give calls that have a name and no input an empty one."""
    if isinstance(value, list):
        return [_completed(one) for one in value]
    if not isinstance(value, dict):
        return value
    whole = {key: _completed(one) for key, one in value.items()}
    for kind, field, empty in (("functionCall", "args", {}), ("function", "arguments", "{}")):
        if isinstance(whole.get(kind), dict) and "name" in whole[kind]:
            whole[kind] = whole[kind] | {field: whole[kind].get(field, empty)}
    return whole


def _unwrapped(value: JSON) -> JSON:
    if isinstance(value, list):
        return [_unwrapped(one) for one in value]
    if not isinstance(value, dict):
        return value
    if list(value) == ["rawInvalidInput"]:
        return value["rawInvalidInput"]
    return {key: _unwrapped(one) for key, one in value.items()}


def check_requests(folder: Path, targets: Mapping[str, Body]) -> Iterator[RequestOutcome]:
    """Compare the body of every history in `folder` for every target that an adapter knows."""
    for path in sorted(folder.glob("*.json")):
        case = json.loads(path.read_text("utf-8"))
        messages = [UIMessage.model_validate(message) for message in case["messages"]]
        for target, golden in case["requests"].items():
            if target in targets:
                yield _outcome(path.stem, target, _body(targets[target], messages), golden)


def _body(build: Body, messages: Sequence[UIMessage]) -> JSON:
    try:
        return build(messages)
    except LocalProtocolError as error:
        return {"__error__": str(error)}


def _outcome(case: str, target: str, body: JSON, golden: JSON) -> RequestOutcome:
    ours = {key: value for key, value in body.items() if key not in {"tools", "stream", "include"}}
    if ours == golden or ("__error__" in ours and "__error__" in golden):
        return RequestOutcome(case=case, target=target)
    for difference in REQUEST_DIFFERENCES:
        if difference.applies(target, ours, golden):
            return RequestOutcome(case=case, target=target, listed=difference.name)
    fault = f"ours {json.dumps(ours)[:600]} golden {json.dumps(golden)[:600]}"
    return RequestOutcome(case=case, target=target, fault=fault)
