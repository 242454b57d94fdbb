"""A run of another process, as far as it was copied from its Redis stream.

Rule: what was copied before is left out, so a writer may write twice; a gap, or another writer in
the middle, ends the copy.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..._chunk_log import ChunkLog
from ...codecs.ui_stream import decode_chunk
from ...errors import StreamInterrupted
from .redis_port import Entry, StoredRun, writer_name

__all__ = ["TAKEN_OVER", "RedisMirror"]

TAKEN_OVER = "another process took the run over"


@dataclass(slots=True)
class RedisMirror:
    """A run of another process, copied here while somebody follows it."""

    stored: StoredRun
    log: ChunkLog
    last_id: bytes = b"0-0"
    missing_since: float | None = None

    def take(self, entry: Entry) -> None:
        """Copy one entry, leaving out what was taken before."""
        self.last_id = entry.id
        self.missing_since = None
        fields = entry.fields
        first, have = int(fields[b"i"]), len(self.log)
        if fields[b"w"] != writer_name(self.stored.process).encode():
            self.log.close(StreamInterrupted(TAKEN_OVER))
        elif first > have:
            self.log.close(StreamInterrupted("the run log has a gap"))
        elif b"c" in fields:
            lines = fields[b"c"].split(b"\n")[have - first :]
            self.log.extend([decode_chunk(line) for line in lines])
        elif fields[b"e"] == b"ended":
            self.log.close()
        else:
            self.log.close(StreamInterrupted("the process that wrote the run died"))
