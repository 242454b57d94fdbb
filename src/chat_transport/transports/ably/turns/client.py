"""The client's end of the wires without branches.

Rule: what such a wire cannot say is refused with its name, never left out by accident.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from ....chunks import UIMessageChunk
from ....codecs.ably.ai_sdk_reading import AiSdkConversation
from ....codecs.ably.ai_sdk_transport import AiSdkInputEncoder
from ....codecs.ably.ai_transport.input_encoder import EncodedInput
from ....codecs.ably.prompts import PromptEncoder
from ....codecs.ably.turns import Turns
from ....errors import NotSupported, RequestRejected
from ....inputs import SendMessages
from ....messages import DynamicToolPart, ToolPart, UIMessage
from ....transport import Ask
from ..wire import Branches, Heard, Outgoing, RunRef
from .reading import TurnsReading, ref_of

__all__ = ["AiSdkClient", "PromptClient"]

_OUTPUTS = frozenset({"output-available", "output-error", "output-denied"})
_WISHES: Final[Mapping[Ask, tuple[str, str]]] = {
    "regenerate": ("regenerate", "send the question again"),
    "edit": ("change or repeat a message", "send it as a new one"),
    "tool-output": ("answer a tool call with an output", "let the agent run the tool"),
    "approval": ("answer an approval request", "use the wire message-per-response"),
}


class _TurnsClient(TurnsReading):
    """What the clients of these wires share."""

    def messages(self) -> Sequence[UIMessage]:
        """Give the conversation."""
        return self.conversation.messages()

    def needs_older(self, request: SendMessages) -> bool:
        """Whether `request` names what has not been read: these wires name nothing older."""
        return False

    def lacks_start(self, ref: RunRef) -> bool:
        """Whether the beginning of a reply has not been read."""
        run = self.conversation.run(ref.run_id or "")
        return run is not None and not run.announced

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
    """Prompts and decisions by name: message per response, message per token.

    Args:
        conversation: Of the wire, fresh.
        encoder: Says prompts, decisions and stops.
        refuses: What the wire has no word for.
        idle_s: Seconds of silence that end a reply whose end nobody marks; None waits for ever.
    """

    def __init__(
        self,
        conversation: Turns,
        encoder: PromptEncoder,
        *,
        refuses: AbstractSet[Ask],
        idle_s: float | None = None,
    ) -> None:
        super().__init__(conversation)
        self._encoder = encoder
        self._refuses = refuses
        self.idle_s = idle_s

    def needs_older(self, request: SendMessages) -> bool:
        """Whether `request` answers calls of a message that has not been read."""
        named = _answered(request)
        return named is not None and self.conversation.message(named.id) is None

    def encode(self, request: SendMessages) -> Sequence[Outgoing]:
        """Give the prompt, or the decisions, that the request amounts to.

        Decisions that were not sent yet go before a prompt.
        """
        if request.trigger == "regenerate-message":
            raise _no_word(request, "regenerate")
        named = _answered(request)
        if named is not None:
            found = self._decisions(request, named)
            if not found:
                raise RequestRejected(
                    f"unable to send message {named.id!r} to {request.chat_id!r}; it is the"
                    " agent's, and no call in it waits for the answer that it gives"
                )
            return found
        last = _last(request)
        if last.role != "user":
            raise RequestRejected(
                f"unable to send message {last.id!r} to {request.chat_id!r}; its role is"
                f" {last.role!r}, and only a user asks: instructions belong to the agent"
            )
        if self.conversation.message(last.id) is not None:
            raise _no_word(request, "edit")
        earlier = [message for message in request.messages if message.role == "assistant"]
        unsent = [each for message in earlier for each in self._decisions(request, message)]
        return [*unsent, _outgoing(self._encoder.user_message(last))]

    def cancel(self, ref: RunRef) -> Outgoing:
        """Ask that a reply end."""
        return _outgoing(self._encoder.cancel(ref.input_id))

    def unmarked(self) -> Sequence[tuple[RunRef, int | None]]:
        """Give the replies that speak and whose end nobody will mark."""
        return [(ref_of(run), spoke_ms) for run, spoke_ms in self.conversation.unmarked()]

    def conclude(self, ref: RunRef) -> Heard | None:
        """Take such a reply as complete, until it speaks again."""
        change = self.conversation.conclude(ref.run_id or "")
        return None if change is None else self._heard(change)

    def _decisions(self, request: SendMessages, message: UIMessage) -> Sequence[Outgoing]:
        """Give the decisions in a message that the channel does not know yet."""
        known = {part.tool_call_id: part.state for part in self._calls(message.id)}
        run = self.conversation.run(message.id)
        found: list[Outgoing] = []
        for part in message.parts:
            if not isinstance(part, ToolPart | DynamicToolPart):
                continue
            state = known.get(part.tool_call_id)
            if part.state in _OUTPUTS and state not in _OUTPUTS and message is _last(request):
                raise _no_word(request, "tool-output")
            if part.approval is None or part.approval.approved is None:
                continue
            if "approval" in self._refuses:
                raise _no_word(request, "approval")
            if state != "approval-requested":
                continue
            encoded = self._encoder.approval(
                part.tool_call_id, approved=part.approval.approved, reason=part.approval.reason
            )
            input_id = run.input_ids[-1] if run is not None and run.input_ids else encoded.input_id
            found.append(
                Outgoing(publish=encoded.operation, input_id=input_id, event_id=encoded.event_id)
            )
        return found

    def _calls(self, message_id: str) -> Sequence[ToolPart | DynamicToolPart]:
        known = self.conversation.message(message_id)
        parts = known.parts if known is not None else ()
        return [part for part in parts if isinstance(part, ToolPart | DynamicToolPart)]


def _answered(request: SendMessages) -> UIMessage | None:
    """Give the agent's message whose calls the request answers; None if it asks something new."""
    named = (message for message in request.messages if message.id == request.message_id)
    last = request.messages[-1] if request.messages else None
    message = next(named, last)
    if message is not None and message.role == "assistant":
        return message
    return last if last is not None and last.role == "assistant" else None


def _no_word(request: SendMessages, ask: Ask) -> NotSupported:
    wish, instead = _WISHES[ask]
    return NotSupported(
        f"unable to {wish} in chat {request.chat_id!r}; this wire has no word for it: {instead}"
    )


class AiSdkClient(_TurnsClient):
    """The client of `ably-ai-sdk-transport`'s wire."""

    def __init__(self, conversation: AiSdkConversation, encoder: AiSdkInputEncoder) -> None:
        super().__init__(conversation)
        self._chat = conversation
        self._encoder = encoder

    def needs_older(self, request: SendMessages) -> bool:
        """Whether `request` answers, changes or regenerates a message that has not been read."""
        named = _answered(request)
        wanted = {request.message_id, named.id if named is not None else None} - {None}
        return any(self._chat.find(message_id or "") is None for message_id in wanted)

    def encode(self, request: SendMessages) -> Sequence[Outgoing]:
        """Give the message, the answers in it, or the wish for another answer."""
        if request.trigger == "regenerate-message":
            return [_outgoing(self._encoder.regenerate(self._target(request)))]
        last = _answered(request) or _last(request)
        if last.role == "system":
            raise RequestRejected(
                f"unable to send message {last.id!r}; its role is 'system', and only a user asks:"
                " instructions belong to the agent",
                status=400,
            )
        if last.role == "assistant" and not self._chat.answers(last):
            raise RequestRejected(
                f"unable to send message {last.id!r} to {request.chat_id!r}; it is the agent's,"
                " and no call in it waits for an answer that it gives",
                status=400,
            )
        return [_outgoing(self._encoder.user_message(last))]

    def cancel(self, ref: RunRef) -> Outgoing:
        """Ask that a reply end."""
        return _outgoing(self._encoder.cancel(ref.input_id))

    def _target(self, request: SendMessages) -> str | None:
        """Give the reply to replace by an id that the agent knows; None is the last one."""
        messages = self._chat.messages()
        wanted = request.message_id or (request.messages[-1].id if request.messages else None)
        place = next((n for n, m in enumerate(messages) if m.id == wanted), None)
        if place is None:
            return request.message_id
        later = [m.id for m in messages[place:] if m.role == "assistant"]
        return later[0] if later and self._chat.is_named(later[0]) else None


NewId = Callable[[], str]


def _last(request: SendMessages) -> UIMessage:
    if not request.messages:
        raise RequestRejected(f"unable to send to {request.chat_id!r}; there is no message")
    return request.messages[-1]


def _outgoing(encoded: EncodedInput) -> Outgoing:
    return Outgoing(publish=encoded.operation, input_id=encoded.input_id, event_id=encoded.event_id)
