"""The client's end: what a person or a page asks, as operations.

Rule: a client mints message ids and event ids, never run ids; publish, wait for the serial, then
wake the agent with `event_id`.
Source: @ably/ai-transport 0.8.0, `core/transport/client-session.ts`, `vercel/codec/inputs.ts`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from ....errors import LocalProtocolError
from ....messages import DataPart, FilePart, TextPart, UIMessage, UIMessagePart
from ..operations import OutboundMessage, Publish
from . import headers as h
from .payload import InputWords

__all__ = ["EncodedInput", "InputEncoder", "RunFork"]

JSON: TypeAlias = Any  # any JSON value
_WORDS = InputWords()


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedInput:
    """One input, ready to publish.

    Attributes:
        operation: Publish it and wait until it is accepted.
        input_id: The codec-message-id: the reply echoes it as `input-codec-message-id`.
        event_id: What an invocation points at.
    """

    operation: Publish
    input_id: str
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFork:
    """A run copied under fresh ids, so that a client's results can be given beside it.

    Attributes:
        seed: Fresh codec-message-ids and the run's messages.
        parent: Codec-message-id of the input that the run answers.
        supersedes: The run, which readers then hide.
    """

    seed: tuple[tuple[str, UIMessage], ...]
    parent: str | None
    supersedes: str

    def holder(self, tool_call_id: str) -> str:
        """Give the fresh id of the message that holds a call.

        Raises:
            LocalProtocolError: If none does.
        """
        for fresh, message in self.seed:
            if any(getattr(part, "tool_call_id", None) == tool_call_id for part in message.parts):
                return fresh
        raise LocalProtocolError(
            f"unable to fork run {self.supersedes!r}; none of its messages holds the tool call "
            f"{tool_call_id!r}"
        )


class InputEncoder:
    """Turns what a client asks into operations.

    Args:
        new_id: Gives fresh ids.
        client_id: The client's own Ably clientId; None or `*` if it has no single one.
        words: What inputs are called: those of UI messages, or of another payload codec.
    """

    def __init__(
        self,
        *,
        new_id: Callable[[], str],
        client_id: str | None = None,
        words: InputWords = _WORDS,
    ) -> None:
        self._new_id = new_id
        self._words = words
        self._client_id = None if client_id == "*" else client_id

    def user_message(
        self,
        message: UIMessage,
        *,
        parent: str | None = None,
        fork_of: str | None = None,
        run_id: str | None = None,
    ) -> EncodedInput:
        """Say something: one Ably message for each part, in one frame.

        Args:
            message: Text, file and data parts are carried, and metadata; other parts are not.
            parent: Codec-message-id of the last visible message; None for the first.
            fork_of: Codec-message-id of the message that this one replaces (edit).
            run_id: The active run that is steered; such a message has no parent.
        """
        text = self._words.text
        bodies = [body for part in message.parts if (body := _part_body(part, text)) is not None]
        common = {h.KIND: "user-message"}
        if self._words.names_messages:
            common["messageId"] = message.id
        links = {h.RUN_ID: run_id, h.PARENT: parent, h.FORK_OF: fork_of, h.DISCRETE: h.TRUE}
        bodies = bodies or [({h.PART_TYPE: text}, "")]
        if message.metadata is not None:
            # Ours: 0.8.0 readers ignore it, as they do every header that they do not know.
            bodies[0][0][h.MESSAGE_METADATA] = msgspec.json.encode(message.metadata).decode()
        return self._input(bodies, common, links, role=message.role)

    def regenerate(self, target: str, *, parent: str | None) -> EncodedInput:
        """Ask for another answer.

        Args:
            target: Codec-message-id of the assistant message.
            parent: Codec-message-id of the message before it.
        """
        links = {h.PARENT: parent, h.REGENERATES: target}
        return self._input([({}, "")], {h.KIND: "regenerate"}, links)

    def approval(
        self,
        *,
        message_id: str,
        run_id: str,
        tool_call_id: str,
        approved: bool,
        reason: str | None = None,
        parent: str | None = None,
    ) -> EncodedInput:
        """Answer an approval request.

        Args:
            message_id: Codec-message-id of the assistant message that holds the call.
            run_id: The run that waits.
            tool_call_id: The call.
            approved: The answer.
            reason: Why.
            parent: Codec-message-id of the last visible message; often `message_id` itself.
        """
        codec = _approval(approved=approved, reason=reason) | {self._words.call: tool_call_id}
        links = {h.RUN_ID: run_id, h.PARENT: parent}
        return self._input([({}, "")], codec, links, input_id=message_id)

    def tool_result(
        self,
        *,
        message_id: str,
        run_id: str,
        tool_call_id: str,
        output: JSON = None,
        error_text: str | None = None,
        parent: str | None = None,
    ) -> EncodedInput:
        """Give the result of a client's tool to the run that waits for it: the simple form."""
        kind, data = _result(output, error_text)
        codec = {h.KIND: kind, self._words.call: tool_call_id}
        links = {h.RUN_ID: run_id, h.PARENT: parent}
        return self._input([({}, data)], codec, links, input_id=message_id)

    def fork(
        self, *, messages: Sequence[UIMessage], parent: str | None, supersedes: str
    ) -> RunFork:
        """Copy a run, so that results can be given beside it.

        Args:
            messages: All messages of the run, as shown.
            parent: Codec-message-id of the input that the run answers.
            supersedes: The run.
        """
        seed = tuple((self._new_id(), message) for message in messages)
        return RunFork(seed=seed, parent=parent, supersedes=supersedes)

    def tool_result_fork(
        self,
        fork: RunFork,
        tool_call_id: str,
        *,
        output: JSON = None,
        error_text: str | None = None,
    ) -> EncodedInput:
        """Give the result as the JavaScript client does: in a fork that supersedes the run.

        Raises:
            LocalProtocolError: If no message of the run holds the call.
        """
        kind, data = _result(output, error_text)
        data["forkSeed"] = {
            "messages": [{"codecMessageId": i, "message": m.to_wire()} for i, m in fork.seed]
        }
        return self._answer_fork(fork, tool_call_id, {h.KIND: kind}, data)

    def approval_fork(
        self, fork: RunFork, tool_call_id: str, *, approved: bool, reason: str | None = None
    ) -> EncodedInput:
        """Answer an approval request of a run that a result of the same batch forks.

        Raises:
            LocalProtocolError: If no message of the run holds the call.
        """
        return self._answer_fork(
            fork, tool_call_id, _approval(approved=approved, reason=reason), ""
        )

    def _answer_fork(
        self, fork: RunFork, tool_call_id: str, codec: dict[str, str], data: JSON
    ) -> EncodedInput:
        links = {h.PARENT: fork.parent, h.SUPERSEDES: fork.supersedes}
        codec = codec | {self._words.call: tool_call_id}
        target = fork.holder(tool_call_id)
        return self._input([({}, data)], codec, links, role="assistant", input_id=target)

    def cancel(self, *, run_id: str | None = None, input_id: str | None = None) -> EncodedInput:
        """Ask that a run end, named by itself, by the input it answers, or both.

        Raises:
            LocalProtocolError: If neither is given.
        """
        if run_id is None and input_id is None:
            raise LocalProtocolError("unable to cancel; neither a run nor an input is named")
        event_id = self._new_id()
        links = {h.EVENT_ID: event_id, h.RUN_ID: run_id, h.INPUT_ID: input_id}
        message = OutboundMessage(name=h.CANCEL, extras=h.envelope(_given(links)))
        return EncodedInput(
            operation=Publish(messages=(message,)), input_id=input_id or "", event_id=event_id
        )

    def _input(
        self,
        bodies: Sequence[tuple[dict[str, str], JSON]],
        codec: dict[str, str],
        links: Mapping[str, str | None],
        *,
        role: str = "user",
        input_id: str | None = None,
    ) -> EncodedInput:
        input_id = self._new_id() if input_id is None else input_id
        event_id = self._new_id()
        transport = {
            h.ROLE: role,
            h.MESSAGE_ID: input_id,
            **_given(links),
            h.EVENT_ID: event_id,
            h.STREAM: h.FALSE,
        }
        if self._client_id is not None:
            transport[h.RUN_CLIENT_ID] = self._client_id
        messages = tuple(
            OutboundMessage(name=h.INPUT, data=data, extras=h.envelope(transport, codec | own))
            for own, data in bodies
        )
        return EncodedInput(
            operation=Publish(messages=messages), input_id=input_id, event_id=event_id
        )


def _given(links: Mapping[str, str | None]) -> dict[str, str]:
    return {key: value for key, value in links.items() if value is not None}


def _part_body(part: UIMessagePart, text: str) -> tuple[dict[str, str], JSON] | None:
    if isinstance(part, TextPart):
        return {h.PART_TYPE: text}, part.text
    if isinstance(part, FilePart):
        codec = {h.PART_TYPE: "file", "mediaType": part.media_type}
        if part.filename is not None:
            codec["filename"] = part.filename  # ours: 0.8.0 readers ignore it
        return codec, part.url
    if isinstance(part, DataPart):
        if not isinstance(part.data, str | Mapping | list):
            raise LocalProtocolError(
                f"unable to send part {part.type!r}; its data is {part.data!r}, and Ably carries "
                "only strings, objects and lists: wrap the value in an object"
            )
        codec = {h.PART_TYPE: part.type}
        if part.id is not None:
            codec["id"] = part.id
        return codec, part.data
    return None


def _approval(*, approved: bool, reason: str | None) -> dict[str, str]:
    codec = {h.KIND: "tool-approval-response", "approved": h.TRUE if approved else h.FALSE}
    return codec if reason is None else codec | {"reason": reason}


def _result(output: JSON, error_text: str | None) -> tuple[str, dict[str, JSON]]:
    if error_text is None:
        return "tool-result", {"output": output}
    return "tool-result-error", {"message": error_text}
