"""What must happen in one step inside Redis: append, end, declare dead.

Rule: a run's `fence` rises when it is declared dead; a writer with an older fence writes nothing.
"""

from __future__ import annotations

__all__ = ["APPEND", "DECLARE_DEAD", "LOST", "SUPERSEDED"]

LOST = -1
"""Redis knows nothing of the run: it was restarted without its data, or the run expired."""
SUPERSEDED = -2
"""The run was declared dead, or another process took it over."""

APPEND = """
-- KEYS: run, log, active.  ARGV: fence, first, count, chunks, ended (0/1), keep_ms, run_id
local fence = redis.call('HGET', KEYS[1], 'fence')
if not fence then return -1 end
if fence ~= ARGV[1] then return -2 end
local next = tonumber(redis.call('HGET', KEYS[1], 'next'))
if next ~= tonumber(ARGV[2]) then return next end
local count = tonumber(ARGV[3])
if count > 0 then
  redis.call('XADD', KEYS[2], '*', 'i', ARGV[2], 'c', ARGV[4])
  next = next + count
  redis.call('HSET', KEYS[1], 'next', next)
  if next == count then redis.call('PEXPIRE', KEYS[2], 86400000) end
end
if ARGV[5] == '1' then
  redis.call('XADD', KEYS[2], '*', 'i', next, 'e', 'ended')
  redis.call('HSET', KEYS[1], 'state', 'ended')
  redis.call('ZREM', KEYS[3], ARGV[7])
  redis.call('PEXPIRE', KEYS[1], ARGV[6])
  redis.call('PEXPIRE', KEYS[2], ARGV[6])
end
return next
"""
"""Gives the number of chunks now in the log: `first + count` if these were taken, another number
if the writer is at another place (an answer got lost, or data did), or LOST or SUPERSEDED."""

DECLARE_DEAD = """
-- KEYS: run, log, active, alive.  ARGV: keep_ms, run_id
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return -1 end
if state ~= 'active' or redis.call('EXISTS', KEYS[4]) == 1 then return 0 end
redis.call('HINCRBY', KEYS[1], 'fence', 1)
redis.call('HSET', KEYS[1], 'state', 'interrupted')
redis.call('XADD', KEYS[2], '*', 'i', redis.call('HGET', KEYS[1], 'next'), 'e', 'interrupted')
redis.call('ZREM', KEYS[3], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[1])
return 1
"""
"""Gives 1 if the run is interrupted now, 0 if its writer lives or it had ended, or LOST."""
