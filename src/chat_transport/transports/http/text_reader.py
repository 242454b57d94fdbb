"""Reading a reply of plain text: the body of a server that streams nothing but words.

Rule: there is no place to go on from, so a body that breaks is a reply that is lost.
"""

from __future__ import annotations

import anyio

from ..._chunk_log import ChunkLog
from ...codecs.text_stream import TextStreamDecoder
from ...errors import StreamInterrupted
from .reply_reader import Body

__all__ = ["TextReader"]


class TextReader:
    """Moves the words of one body into a log, framed as a reply."""

    def __init__(self, body: Body) -> None:
        self.log = ChunkLog(body.run_id)
        self._body = body
        self._decoder = TextStreamDecoder()

    async def pump(self) -> None:
        """Read to the end; a fault ends up in the log."""
        self.log.extend(self._decoder.open())
        try:
            while data := await self._body.read():
                self.log.extend(self._decoder.feed(data))
            self.log.extend(self._decoder.close())
        except StreamInterrupted as error:
            self.log.close(StreamInterrupted(str(error)))
        else:
            self.log.close()
        finally:
            with anyio.CancelScope(shield=True), anyio.move_on_after(2):
                await self._body.close()
