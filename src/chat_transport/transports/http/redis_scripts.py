"""What Redis does in one step: begin a run, add to runs, declare one dead, tell a process.

Rule: the keys of a run are of its chat, so they are on one server of a cluster. A run's `fence`
rises whenever somebody takes the run over: a writer with another fence writes nothing. Ids of
entries are places in the run, so no clock decides what a reader has seen.
Source: redis.io/docs/latest/develop/programmability/eval-intro, read 2026-11.
"""

from __future__ import annotations

__all__ = ["APPEND", "DECLARE_DEAD", "LOST", "REGISTER", "SUPERSEDED", "TELL"]

LOST = -1
"""Redis knows nothing of the run: it was restarted without its data, or the run expired."""
SUPERSEDED = -2
"""The run was declared dead, or another process took it over."""

REGISTER = """
-- KEYS: run, log, active, key or nothing.
-- ARGV: run_id, fence, day_ms, key_ms, then the fields of the record
local known = tonumber(redis.call('HGET', KEYS[1], 'fence') or '0')
local fence = math.max(known + 1, tonumber(ARGV[2]))
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('HSET', KEYS[1], 'fence', fence, 'next', 0, 'state', 'active', unpack(ARGV, 5))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
local now = redis.call('TIME')
redis.call('ZADD', KEYS[3], now[1] + now[2] / 1000000, ARGV[1])
redis.call('PEXPIRE', KEYS[3], ARGV[3])
if KEYS[4] then redis.call('SET', KEYS[4], ARGV[1], 'PX', ARGV[4]) end
return fence
"""
"""Gives the fence that the writer has now: above any of the run, at least the one asked for."""

APPEND = """
-- KEYS: run, log, active of each run.
-- ARGV: keep_ms, day_ms, writer, then fence, first, count, chunks, ended (0/1), run_id of each run
local told = {}
for each = 1, #KEYS / 3 do
  local run, log = KEYS[each * 3 - 2], KEYS[each * 3 - 1]
  local at = each * 6 - 2
  local first, count = ARGV[at + 1], tonumber(ARGV[at + 2])
  local known = redis.call('HMGET', run, 'fence', 'next')
  local next = -1
  if known[1] then next = known[1] == ARGV[at] and tonumber(known[2]) or -2 end
  if next == tonumber(first) then
    if count > 0 then
      next = next + count
      redis.call('XADD', log, next .. '-0', 'i', first, 'w', ARGV[3], 'c', ARGV[at + 3])
      redis.call('HSET', run, 'next', next)
      if next == count then redis.call('PEXPIRE', log, ARGV[2]) end
    end
    if ARGV[at + 4] == '1' then
      redis.call('XADD', log, next .. '-1', 'i', next, 'w', ARGV[3], 'e', 'ended')
      redis.call('HSET', run, 'state', 'ended')
      redis.call('ZREM', KEYS[each * 3], ARGV[at + 5])
      redis.call('PEXPIRE', run, ARGV[1])
      redis.call('PEXPIRE', log, ARGV[1])
    end
  end
  told[each] = next
end
return told
"""
"""Gives for each run the number of chunks now in its log: `first + count` if these were taken,
another number if the writer is at another place (an answer got lost, or data did), or LOST or
SUPERSEDED."""

DECLARE_DEAD = """
-- KEYS: run, log, active.  ARGV: keep_ms, run_id, fence, writer
local known = redis.call('HMGET', KEYS[1], 'state', 'fence', 'next')
if known[1] ~= 'active' or known[2] ~= ARGV[3] then return 0 end
redis.call('HINCRBY', KEYS[1], 'fence', 1)
redis.call('HSET', KEYS[1], 'state', 'interrupted')
redis.call('XADD', KEYS[2], known[3] .. '-1', 'i', known[3], 'w', ARGV[4], 'e', 'interrupted')
redis.call('ZREM', KEYS[3], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[1])
return 1
"""
"""Gives 1 if the run is interrupted now, 0 if it had ended or somebody took it over meanwhile."""

TELL = """
-- KEYS: inbox.  ARGV: words kept, ms kept, then the fields
redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', unpack(ARGV, 3))
redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
