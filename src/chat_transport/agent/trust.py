"""What the agent's end believes of a request: its own record first, of the client's words little.

Rule: a request is a claim. With a record (`stored`), only the user's new words, tool outputs that
a client was to give and answers to approvals that were asked for are taken from it. See
docs/concepts/trust.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TypeAlias
from urllib.parse import urlsplit

from ..errors import RemoteProtocolError
from ..inputs import SendMessages
from ..messages import (
    DataPart,
    DynamicToolPart,
    FilePart,
    TextPart,
    ToolPart,
    UIMessage,
    UIMessagePart,
)
from .approvals import ApprovalSigner
from .run import RunRequest, User

__all__ = ["TrustRules", "believe"]

_Call: TypeAlias = ToolPart | DynamicToolPart


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustRules:
    """How much of a client's word is taken.

    Attributes:
        client_tools: Tools whose output a client may give; None believes outputs of every call
            that waits and is not the provider's own.
        may_approve: Whether this user may answer for this call; None lets every user that may
            write in the chat.
        signer: Checks approvals in a conversation that has no record here; without it no such
            approval is believed.
        file_schemes: URL schemes of files in a prompt. Nothing is ever fetched here.
        file_types: Media types of files in a prompt, such as `image/*` and `application/pdf`; None
            takes all. A file that the model cannot take fails this reply and each one after it.
        keeps_provider_fields: Take `providerMetadata` and `providerReference` in a prompt. Off:
            they can name things at the provider that belong to others.
        max_prompt_chars: Characters of text and data in a prompt; None for no bound.
        max_file_chars: Characters of one file's URL (data URLs are long); None for no bound.
        max_messages: Messages in a claimed history; None for no bound.
    """

    client_tools: frozenset[str] | None = None
    may_approve: Callable[[User, _Call], bool] | None = None
    signer: ApprovalSigner | None = None
    file_schemes: frozenset[str] = frozenset({"https", "http", "data"})
    file_types: frozenset[str] | None = None
    keeps_provider_fields: bool = False
    max_prompt_chars: int | None = 500_000
    max_file_chars: int | None = 20_000_000
    max_messages: int | None = 5_000


_USUAL = TrustRules()


def believe(
    claim: SendMessages,
    *,
    stored: Sequence[UIMessage] | None,
    user: User | None = None,
    rules: TrustRules = _USUAL,
) -> RunRequest:
    """Give the run to start for `claim`, with the conversation as it is believed.

    Args:
        claim: What the client asks.
        stored: This side's own record of the chat, empty for a new one; None if there is no
            record: then the claimed history is taken without instructions (`system`) and without
            approvals, but those that carry our signature.
        user: Who asks, verified; None is an anonymous user.
        rules: How much is taken.

    Raises:
        RemoteProtocolError: If the claim cannot be believed; says which message or part, and why.
    """
    asks = user or User()
    judge = _Judge(claim.chat_id, asks, rules)
    if not claim.messages and claim.trigger == "submit-message":
        raise RemoteProtocolError("unable to start a run; `messages` is empty")
    messages: Sequence[UIMessage]
    if stored is None:
        base, claimed = judge.history(claim.messages[:-1]), claim.messages[-1:]
        messages = _without_record(judge, base, claimed, is_new=claim.trigger == "submit-message")
    elif claim.trigger == "regenerate-message":
        messages = _cut(stored, claim)
    else:
        messages = _submitted(judge, stored, claim)
    return RunRequest(
        chat_id=claim.chat_id,
        messages=messages,
        trigger=claim.trigger,
        message_id=claim.message_id,
        user=asks,
        metadata=claim.body,
    )


def _without_record(
    judge: _Judge, base: list[UIMessage], claimed: Sequence[UIMessage], *, is_new: bool
) -> list[UIMessage]:
    for last in claimed:
        if last.role == "user" and is_new:
            base.append(judge.prompt(last))
        elif last.role == "system":
            raise _refused("message", last.id, "a client gives no instructions; use role 'user'")
        else:
            base.extend(judge.history([last]))
    return base


def _submitted(
    judge: _Judge, stored: Sequence[UIMessage], claim: SendMessages
) -> Sequence[UIMessage]:
    last = claim.messages[-1]
    if last.role == "system":
        raise _refused("message", last.id, "a client gives no instructions; use role 'user'")
    at = _place(stored, last.id)
    if last.role == "assistant":
        if at is None or stored[at].role != "assistant":
            raise _refused("message", last.id, "the chat has no such reply to continue")
        return (*stored[:at], judge.answers(stored[at], last))
    prompt = judge.prompt(last)
    if at is None and claim.message_id is not None:
        at = _place(stored, claim.message_id)
    if at is not None:
        if stored[at].role != "user":
            raise _refused("message", last.id, "it would replace a message that is not the user's")
        return (*stored[:at], prompt)
    claims = {message.id: message for message in claim.messages}
    answered = [
        judge.answers(message, claims[message.id]) if message.id in claims else message
        for message in stored[-1:]
    ]
    return (*stored[:-1], *answered, prompt)


def _cut(stored: Sequence[UIMessage], claim: SendMessages) -> Sequence[UIMessage]:
    """Give the conversation before the answer that shall be given anew."""
    at: int | None = len(stored) - 1
    if claim.message_id is not None:
        at = _place(stored, claim.message_id)
    if at is None:
        # AI SDK clients send the list already cut, and may name a message that only they knew.
        known = {message.id for message in claim.messages}
        at = next((i for i, message in enumerate(stored) if message.id not in known), None)
    if at is None or at < 0:
        raise _refused("message", claim.message_id, "the chat has no such message to regenerate")
    return stored[:at] if stored[at].role == "assistant" else stored[: at + 1]


class _Judge:
    """Takes from one claim what the rules allow."""

    def __init__(self, chat_id: str, user: User, rules: TrustRules) -> None:
        self._chat_id = chat_id
        self._user = user
        self._rules = rules

    def prompt(self, message: UIMessage) -> UIMessage:
        """Give a user's message with nothing in it but text, files and data."""
        size = 0
        parts: list[UIMessagePart] = []
        for part in message.parts:
            match part:
                case TextPart():
                    size += len(part.text)
                case DataPart():
                    size += len(str(part.data))
                case FilePart():
                    self._check_file(message, part)
                case _:
                    raise _refused("message", message.id, f"a prompt holds no {part.type!r} part")
            parts.append(part if self._rules.keeps_provider_fields else _bare(part))
        limit = self._rules.max_prompt_chars
        if limit is not None and size > limit:
            raise _refused("message", message.id, f"it has {size} characters; at most {limit}")
        return message.model_copy(update={"parts": parts})

    def history(self, messages: Sequence[UIMessage]) -> list[UIMessage]:
        """Give a claimed history as far as it can be believed at all."""
        limit = self._rules.max_messages
        if limit is not None and len(messages) > limit:
            raise _refused("history", None, f"it has {len(messages)} messages; at most {limit}")
        believed: list[UIMessage] = []
        for message in messages:
            if message.role == "user":
                believed.append(self.prompt(message))
            elif message.role == "assistant":
                kept = [part for part in message.parts if self._may_have_happened(part)]
                believed.append(message.model_copy(update={"parts": kept}))
        return believed

    def answers(self, stored: UIMessage, claim: UIMessage) -> UIMessage:
        """Give the stored message with those outputs and answers of the claim that were asked."""
        if stored.role != "assistant":
            return stored
        claims = {
            part.tool_call_id: part
            for part in claim.parts
            if isinstance(part, ToolPart | DynamicToolPart)
        }
        parts = [
            self._answer(part, claims[part.tool_call_id])
            if isinstance(part, ToolPart | DynamicToolPart) and part.tool_call_id in claims
            else part
            for part in stored.parts
        ]
        return stored.model_copy(update={"parts": parts})

    def _answer(self, stored: _Call, claim: _Call) -> _Call:
        if stored.state == "input-available" and not stored.provider_executed:
            names = self._rules.client_tools
            if names is None or stored.tool_name in names:
                return _with_output(stored, claim)
        if stored.state == "approval-requested" and claim.state == "approval-responded":
            asked, answer = stored.approval, claim.approval
            if asked and answer and answer.id == asked.id and answer.approved is not None:
                self._check_approver(stored)
                update: dict[str, bool | str] = {"approved": answer.approved}
                if answer.reason is not None:
                    update["reason"] = answer.reason
                approval = asked.model_copy(update=update)
                return stored.model_copy(update={"state": claim.state, "approval": approval})
        return stored

    def _may_have_happened(self, part: UIMessagePart) -> bool:
        if not isinstance(part, ToolPart | DynamicToolPart) or part.state != "approval-responded":
            return True
        approval, signer = part.approval, self._rules.signer
        if approval is None or signer is None:
            return False
        is_ours = signer.verify(
            approval.signature,
            chat_id=self._chat_id,
            approval_id=approval.id,
            tool_call_id=part.tool_call_id,
            tool_name=part.tool_name,
            tool_input=part.input,
        )
        if is_ours:
            self._check_approver(part)
        return is_ours

    def _check_approver(self, call: _Call) -> None:
        may_approve = self._rules.may_approve
        if may_approve is not None and not may_approve(self._user, call):
            raise _refused(
                "approval",
                call.tool_call_id,
                f"user {self._user.id!r} may not answer for tool {call.tool_name!r}",
            )

    def _check_file(self, message: UIMessage, part: FilePart) -> None:
        scheme = urlsplit(part.url[:256]).scheme
        allowed = self._rules.file_schemes
        if scheme not in allowed:
            names = ", ".join(sorted(allowed))
            raise _refused("message", message.id, f"a file has scheme {scheme!r}; use {names}")
        types = self._rules.file_types
        if types is not None and not any(
            fnmatchcase(part.media_type.lower(), pattern) for pattern in types
        ):
            names = ", ".join(sorted(types))
            raise _refused(
                "message", message.id, f"a file has type {part.media_type!r}; use {names}"
            )
        limit = self._rules.max_file_chars
        if limit is not None and len(part.url) > limit:
            raise _refused(
                "message",
                message.id,
                f"a file's URL has {len(part.url)} characters; at most {limit}",
            )


def _with_output(stored: _Call, claim: _Call) -> _Call:
    if claim.state == "output-available":
        return stored.model_copy(update={"state": claim.state, "output": claim.output})
    if claim.state == "output-error":
        text = claim.error_text or "failed"
        return stored.model_copy(update={"state": claim.state, "error_text": text})
    return stored


def _bare(part: TextPart | DataPart | FilePart) -> UIMessagePart:
    fields = {
        name: getattr(part, name)
        for name in part.model_fields_set & set(type(part).model_fields)
        if name not in {"provider_metadata", "provider_reference"}
    }
    return type(part).assemble({"type": part.type, **fields})


def _place(messages: Sequence[UIMessage], message_id: str) -> int | None:
    return next((i for i, message in enumerate(messages) if message.id == message_id), None)


def _refused(what: str, its_id: str | None, why: str) -> RemoteProtocolError:
    name = f" {its_id!r}" if its_id is not None else ""
    return RemoteProtocolError(f"unable to believe {what}{name}; {why}")
