"""The client's end of the wires without branches.

Rule: what such a wire cannot say is refused with its name, never left out by accident.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet

from ....chunks import UIMessageChunk
from ....codecs.ably.ai_sdk_transport import AiSdkInputEncoder
from ....codecs.ably.ai_transport.input_encoder import EncodedInput
from ....codecs.ably.prompts import PromptEncoder
from ....codecs.ably.turns import Turns
from ....errors import NotSupported, RequestRejected
from ....inputs import SendMessages
from ....messages import DynamicToolPart, ToolPart, UIMessage
from ..wire import Branches, Outgoing, RunRef
from .reading import TurnsReading

__all__ = ["AiSdkClient", "PromptClient"]


class _TurnsClient(TurnsReading):
    """What the clients of these wires share."""

    def messages(self) -> Sequence[UIMessage]:
        """Give the conversation."""
        return self.conversation.messages()

    def needs_older(self, request: SendMessages) -> bool:
        """Whether `request` names what has not been read: these wires name nothing older."""
        return False

    def meets(self, known: AbstractSet[str]) -> bool:
        """Whether one of these messages has been read: everything is in one line here."""
        return any(message.id in known for message in self.messages())

    def reply(self, ref: RunRef) -> Sequence[UIMessageChunk]:
        """Give what a reply has said so far."""
        return self.conversation.reply(ref.run_id or "")

    def branches(self, message_id: str) -> Branches:
        """Give the alternatives at a message: itself."""
        found = [message for message in self.messages() if message.id == message_id]
        return Branches(siblings=found, index=0)

    def select(self, message_id: str, index: int) -> None:
        """Select an alternative: there is none."""
        raise NotSupported(
            f"unable to select alternative {index} at {message_id!r}; this wire has no branches"
        )


class PromptClient(_TurnsClient):
    """Prompts and decisions by name: message per response, message per token."""

    def __init__(self, conversation: Turns, encoder: PromptEncoder) -> None:
        super().__init__(conversation)
        self._encoder = encoder

    def encode(self, request: SendMessages) -> Sequence[Outgoing]:
        """Give the prompt, or the decisions, that the request amounts to."""
        if request.trigger == "regenerate-message":
            raise NotSupported(
                f"unable to regenerate in chat {request.chat_id!r}; this wire has no word for it:"
                " send the question again"
            )
        last = _last(request)
        if last.role == "user":
            return [_outgoing(self._encoder.user_message(last))]
        return self._decisions(request, last)

    def cancel(self, ref: RunRef) -> Outgoing:
        """Ask that a reply end."""
        return _outgoing(self._encoder.cancel(ref.input_id))

    def _decisions(self, request: SendMessages, message: UIMessage) -> Sequence[Outgoing]:
        run = next((r for r in self.conversation.runs() if r.run_id == message.id), None)
        known = {
            part.tool_call_id
            for part in (self.conversation.message(message.id) or message).parts
            if isinstance(part, ToolPart | DynamicToolPart) and part.state == "approval-requested"
        }
        found: list[Outgoing] = []
        for part in message.parts:
            if not isinstance(part, ToolPart | DynamicToolPart) or part.approval is None:
                continue
            if part.approval.approved is None or part.tool_call_id not in known:
                continue
            encoded = self._encoder.approval(part.tool_call_id, approved=part.approval.approved)
            input_id = run.input_ids[-1] if run is not None and run.input_ids else encoded.input_id
            found.append(
                Outgoing(publish=encoded.operation, input_id=input_id, event_id=encoded.event_id)
            )
        if not found:
            raise RequestRejected(
                f"unable to send message {message.id!r} to {request.chat_id!r}; it is the agent's,"
                " and no call in it waits for the answer that it gives"
            )
        return found


class AiSdkClient(_TurnsClient):
    """The client of `ably-ai-sdk-transport`'s wire."""

    def __init__(self, conversation: Turns, encoder: AiSdkInputEncoder) -> None:
        super().__init__(conversation)
        self._encoder = encoder

    def encode(self, request: SendMessages) -> Sequence[Outgoing]:
        """Give the message, or the wish for another answer."""
        if request.trigger == "regenerate-message":
            return [_outgoing(self._encoder.regenerate(request.message_id))]
        return [_outgoing(self._encoder.user_message(_last(request)))]

    def cancel(self, ref: RunRef) -> Outgoing:
        """Ask that a reply end."""
        return _outgoing(self._encoder.cancel(ref.input_id))


NewId = Callable[[], str]


def _last(request: SendMessages) -> UIMessage:
    if not request.messages:
        raise RequestRejected(f"unable to send to {request.chat_id!r}; there is no message")
    return request.messages[-1]


def _outgoing(encoded: EncodedInput) -> Outgoing:
    return Outgoing(publish=encoded.operation, input_id=encoded.input_id, event_id=encoded.event_id)
