"""Carries one run from its log to the channel, and ends it there on every path.

Rule: the log is the truth; what the wire cannot carry ends the run with an error that says so,
and a channel that refuses stops the run instead of letting it talk to nobody.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Literal, TypeAlias

import anyio

from ..._tasks import open_task_group
from ...agent.runtime import ActiveRun
from ...chunks import Abort, Error, Finish, TextDelta, ToolInputDelta, UIMessageChunk
from ...codecs.ably.operations import Operation, Publish
from ...errors import ChatTransportError, LocalProtocolError, RequestRejected
from .election import Candidacy
from .sending import Outlet
from .speech import Speech
from .wire import Speaker
from .wire_abilities import ContinuingSpeaker, LeavingSpeaker, Steer, SteeringSpeaker
from .writer import OperationWriter

__all__ = ["RunCarrier"]

log = logging.getLogger(__name__)

EndReason: TypeAlias = Literal["complete", "cancelled", "error"]
LAST_WORDS_S = 10.0
"""Seconds for telling readers of a run that could not be carried on."""


class RunCarrier:
    """One invocation of one run.

    Args:
        active: The run, started.
        speak: Begins the agent's end of the wire for it.
        outlet: The channel.
        window_s: Seconds in which deltas are put together; 0 is off.
        on_speech: Called at the first chunk that shows the user something.
        candidacy: Whether it is we who answer, where the wire lets several processes see that.
    """

    def __init__(
        self,
        active: ActiveRun,
        speak: Callable[[], Speaker],
        outlet: Outlet,
        *,
        window_s: float,
        on_speech: Callable[[], None],
        candidacy: Candidacy | None = None,
    ) -> None:
        self.active = active
        self._speak = speak
        self._speaker = speak()
        self._speech = Speech(self._speaker, active.attempts.marks)
        self._outlet = outlet
        self._on_speech = on_speech
        self._writer = OperationWriter(outlet, on_serial=self._acknowledged, window_s=window_s)
        self._failure: str | None = None
        self._candidacy = candidacy
        self._begin_key: str | None = None

    async def carry(self) -> None:
        """Carry until the run is over on the channel too. Never raises what the channel refused."""
        async with open_task_group() as tasks:
            tasks.start_soon(self._writer.run)
            try:
                self._adopt()
                await self._begin()
                await self._say_all()
                self._put(await self._ending())
                await self._writer.flush()
            except ChatTransportError as error:
                self.active.stop("the channel refused")
                if not self._is_outrun:
                    await self._last_words(error)
            except BaseException:
                self.active.stop("the agent closed")
                raise
            tasks.cancel_scope.cancel()

    def look(self) -> None:
        """See whether another process was first; then fall silent, for the run is the other's."""
        if self._candidacy is not None and self._candidacy.look():
            log.info("run %s is answered by another process", self.active.run.run_id)
            self.active.stop("another process answers")

    def steer(self, steer: Steer) -> None:
        """Hand the run what the user says to it; what it says after is marked as the answer."""
        self.active.steer(steer.message, heard=lambda: self._heard(steer.input_id))

    async def _begin(self) -> None:
        beginning = self._speaker.start()
        keys = [each.key for each in beginning if isinstance(each, Publish)]
        self._put(beginning)
        if self._candidacy is not None and keys:
            self._begin_key = keys[0]
            if not self._candidacy.may_speak:
                await self._writer.flush()  # which tells at once if the channel refuses
                await self._candidacy.turn()

    @property
    def _is_outrun(self) -> bool:
        return self._candidacy is not None and self._candidacy.is_lost

    def _adopt(self) -> None:
        if isinstance(self._speaker, ContinuingSpeaker):
            for known in self._speaker.continued():
                self._writer.adopt(*known)

    def _heard(self, input_id: str) -> None:
        if isinstance(self._speaker, SteeringSpeaker):
            self._speaker.answer([input_id])

    async def _say_all(self) -> None:
        stream = self.active.log.stream()
        has_spoken = False
        while batch := await stream.drain():
            for number, chunk in enumerate(batch, start=stream.position - len(batch)):
                if not has_spoken and isinstance(chunk, TextDelta | ToolInputDelta):
                    has_spoken = True
                    self._on_speech()
                if self._failure is None and not self._is_outrun:
                    self._say(number, chunk)
            await self._writer.room()

    def _say(self, number: int, chunk: UIMessageChunk) -> None:
        try:
            self._put(self._speech.say(number, chunk))
        except LocalProtocolError as error:
            if self._writer.error is not None:
                raise
            # Too large, or nothing that Ably can carry: said aloud, never dropped.
            self._failure = str(error)
            self.active.stop(self._failure)
            self._put(self._speaker.encode(Error(error_text=self._failure)))

    async def _ending(self) -> Iterable[Operation]:
        if self._is_outrun:
            await self.active.wait()
            return self._speaker.leave() if isinstance(self._speaker, LeavingSpeaker) else ()
        if self._failure is not None:
            await self.active.wait()
            return self._speaker.end("error", message=self._failure)
        if self.active.state == "suspended":
            return self._speaker.suspend()
        end = await self.active.wait()
        if end.reason == "error":
            return self._speaker.end("error", message=self._error_text())
        return self._speaker.end(end.reason)

    def _error_text(self) -> str:
        for chunk in reversed(self.active.log.since(0)):
            if isinstance(chunk, Error):
                return chunk.error_text
            if not isinstance(chunk, Finish | Abort):
                break
        return "the agent failed"

    def _put(self, operations: Iterable[Operation]) -> None:
        for operation in operations:
            self._writer.put(operation)

    def _acknowledged(self, key: str, serial: str) -> None:
        if key == self._begin_key and self._candidacy is not None:
            self._candidacy.announce(serial)
            self.look()
        self._put(self._speaker.acknowledged(key, serial))

    async def _last_words(self, error: ChatTransportError) -> None:
        """End the run with what can still be published; streams may stay open."""
        log.error("run %s could not be carried on: %s", self.active.run.run_id, error)
        code = error.code if isinstance(error, RequestRejected) else None
        ending = self._speak().end("error", code=code, message=str(error))
        writer = OperationWriter(self._outlet, give_up_s=LAST_WORDS_S)
        with anyio.move_on_after(LAST_WORDS_S, shield=True):
            async with open_task_group() as tasks:
                tasks.start_soon(writer.run)
                try:
                    for operation in ending:
                        if isinstance(operation, Publish):
                            writer.put(operation)
                    await writer.flush()
                except ChatTransportError as again:
                    log.error("readers could not be told either: %s", again)  # noqa: TRY400  # its own words
                tasks.cancel_scope.cancel()
