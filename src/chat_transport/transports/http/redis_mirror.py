"""A run of another process, as far as it was copied from its Redis stream.

Rule: what was copied before is left out, so a writer may write twice; a gap ends the copy.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..._chunk_log import ChunkLog
from ...codecs.ui_stream import decode_chunk
from ...errors import StreamInterrupted
from .redis_port import Entry
from .run_log import LoggedRun

__all__ = ["RedisMirror"]


@dataclass(slots=True)
class RedisMirror:
    """A run of another process, copied here while somebody follows it."""

    run: LoggedRun
    log: ChunkLog
    process: str
    last_id: str = "0-0"
    missing_since: float | None = None

    def take(self, entry: Entry) -> None:
        """Copy one entry, leaving out what was taken before."""
        self.last_id = entry.id
        self.missing_since = None
        fields = entry.fields
        first, have = int(fields[b"i"]), len(self.log)
        if first > have:
            self.log.close(StreamInterrupted("the run log has a gap"))
        elif b"c" in fields:
            lines = fields[b"c"].split(b"\n")[have - first :]
            self.log.extend([decode_chunk(line) for line in lines])
        elif fields[b"e"] == b"ended":
            self.log.close()
        else:
            self.log.close(StreamInterrupted("the process that wrote the run died"))
