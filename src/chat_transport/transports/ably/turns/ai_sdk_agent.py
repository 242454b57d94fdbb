"""The agent's end of `ably-ai-sdk-transport`'s wire: what it believes of what clients send.

Rule: the channel is the record. Of a message a client sends, `agent/trust.py` takes what may be
taken, and only that is read into the conversation; what is not believed is told to who asked.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeAlias

import msgspec

from ....agent.trust import TrustRules, believe
from ....chunks import Error
from ....codecs.ably.ai_sdk_reading import AiSdkConversation, said_message
from ....codecs.ably.ai_sdk_transport import AiSdkEncoder
from ....codecs.ably.ai_transport.input_events import ApprovalAnswered, MessageSaid
from ....codecs.ably.operations import Inbound, Publish
from ....codecs.ably.prompts import header
from ....errors import RemoteProtocolError
from ....inputs import SendMessages
from ....messages import UIMessage
from ..policy import user_of
from ..wire import Act, ActKind, Heard, RunRef, RunTask
from .agent import TurnsAgent

__all__ = ["AiSdkAgent"]

NewId: TypeAlias = Callable[[], str]


class AiSdkAgent(TurnsAgent):
    """The agent's end.

    Args:
        new_id: Gives ids for messages.
        rules: How much of a client's word is taken.
    """

    def __init__(self, new_id: NewId, rules: TrustRules) -> None:
        conversation = AiSdkConversation(is_judged=True)
        super().__init__(
            conversation,
            lambda run_id, prompt_id: AiSdkEncoder(
                prompt_id, new_id=new_id, says_error=False, calls=conversation.calls(run_id)
            ),
        )
        self._chat = conversation
        self._new_id = new_id
        self._rules = rules

    def act(self, message: Inbound) -> Act | None:
        """Say what the message wants."""
        if message.name == "user-abort" and header(message, "promptId") is None:
            return None  # it would stop everybody's replies
        said = said_message(message)
        if said is None or said.role != "assistant":
            return super().act(message)
        is_known, owner = self._chat.author(said.id)
        kinds: list[ActKind] = []
        for answer in self._chat.answers(said):
            kind: ActKind = "approve" if isinstance(answer, ApprovalAnswered) else "answer"
            if kind not in kinds:
                kinds.append(kind)
        return Act(
            kind=kinds[0] if kinds else "answer",
            owner=owner,
            is_known=is_known,
            also=kinds[1] if len(kinds) > 1 else None,
        )

    def feed(self, message: Inbound, *, live: bool) -> Heard | None:
        """Take what is believed of a message."""
        if message.name == "chat-message":
            try:
                message = self._believed(message)
            except RemoteProtocolError:
                return None
        return super().feed(message, live=live)

    def refusal(self, message: Inbound) -> Publish | None:
        """Give what to say to a message that is not believed."""
        if message.name != "chat-message":
            return None
        try:
            self._believed(message)
        except RemoteProtocolError as error:
            prompt_id = header(message, "promptId") or message.serial
            encoder = AiSdkEncoder(prompt_id, new_id=self._new_id, says_error=False)
            return encoder.refuse(Error(error_text=str(error)))
        return None

    def resolve(self, event_id: str) -> RunTask | None:
        """Give what the input asks for; answers let the reply that waits go on."""
        trigger = self._chat.trigger(event_id)
        event = trigger.event if trigger is not None else None
        if trigger is None or not isinstance(event, MessageSaid) or event.message.role == "user":
            return super().resolve(event_id)
        run_id = self._chat.run_key(trigger.input_id)
        message = self._chat.message(run_id)
        if message is None:
            return None
        return RunTask(
            ref=RunRef(run_id=run_id, input_id=trigger.input_id, message_id=message.id),
            trigger="submit-message",
            owner=self._chat.author(message.id)[1],
            continues=True,
            token=trigger,
        )

    def answered_by(self, task: RunTask) -> str | None:
        """Give the reply that answers this prompt already."""
        run = self._chat.run_for_input(task.ref.input_id or "")
        return run.run_id if run is not None else None

    def _believed(self, message: Inbound) -> Inbound:
        """Give the message with what may be taken of it.

        Raises:
            RemoteProtocolError: If nothing may.
        """
        said = said_message(message)
        if said is None:
            raise RemoteProtocolError(
                'unable to read a `chat-message`; its data is JSON: {"message": UIMessage}'
            )
        taken = self._answered(message, said) if said.role == "assistant" else None
        taken = taken or self._prompted(message, said)
        return msgspec.structs.replace(message, data=json.dumps({"message": taken.to_wire()}))

    def _prompted(self, message: Inbound, said: UIMessage) -> UIMessage:
        is_known, author = self._chat.author(said.id)
        if is_known and author != message.client_id:
            raise RemoteProtocolError(
                f"unable to believe message {said.id!r}; another user's message has this id"
            )
        record = self._chat.messages() if is_known else ()
        claim = SendMessages(chat_id="", messages=[said])
        request = believe(claim, stored=record, user=user_of(message), rules=self._rules)
        return request.messages[-1]

    def _answered(self, message: Inbound, said: UIMessage) -> UIMessage:
        record = self._chat.find(said.id)
        stored = [record] if record is not None else []
        claim = SendMessages(chat_id="", messages=[said])
        request = believe(claim, stored=stored, user=user_of(message), rules=self._rules)
        taken = request.messages[-1]
        if not self._chat.answers(taken):
            raise RemoteProtocolError(
                f"unable to believe message {said.id!r}; no call in it waits for an answer that it"
                " gives: it was never asked, is answered already, or its reply is under way"
            )
        return taken
