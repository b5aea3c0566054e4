"""The Lua scripts for atomic operations on Redis, with the commands of Redis 6.2.

The index of a tag is a sorted set of entry keys by expiry time, so that expired keys are removed. A lock's key is its
entry's key with ``:!lock``. Every written key has a time to live.
"""

from __future__ import annotations

from typing import Final

BOOKKEEPING_MS: Final = 7 * 86_400_000
"""TTL of the fence and of generations, ms: far longer than any compute, so that no number is reused during one."""

READ: Final = """
local raw = redis.call('GET', KEYS[1])
return raw and redis.call('PTTL', KEYS[1]) .. '|' .. raw
"""
"""KEYS entry. Returns the remaining TTL (ms) and the entry's bytes, so that the server's clock determines the age. One
string, because each part of a reply costs the client time."""

BEGIN: Final = """
local raw = redis.call('GET', KEYS[1])
local digits = raw and string.match(raw, '^1|(%d+)|')
local present = digits and #digits < 16 and tonumber(digits) or 0
if ARGV[1] ~= '' then
  if present > tonumber(ARGV[3]) then return {1, redis.call('PTTL', KEYS[1]) .. '|' .. raw} end
  if not redis.call('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2]) and redis.call('GET', KEYS[2]) ~= ARGV[1] then
    return {2}
  end
end
local fence = redis.call('INCR', KEYS[3])
if fence <= present then
  fence = present + 1
  redis.call('SET', KEYS[3], fence)
end
redis.call('PEXPIRE', KEYS[3], ARGV[4])
local generations = tonumber(ARGV[5])
local time = redis.call('TIME')
local until_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) + tonumber(ARGV[6])
for i = 4 + generations, #KEYS do
  redis.call('ZADD', KEYS[i], 'GT', until_ms, KEYS[1])
  if redis.call('PTTL', KEYS[i]) < tonumber(ARGV[6]) then redis.call('PEXPIRE', KEYS[i], ARGV[6]) end
end
local answer = {0, fence}
for i = 4, 3 + generations do answer[#answer + 1] = redis.call('GET', KEYS[i]) or '' end
return answer
"""
"""KEYS entry, lock, fence, generations, indexes; ARGV token (empty: no lock), lease ms, fence of the entry seen, TTL of
bookkeeping ms, number of generations, TTL of an index ms. The entry is checked again under the lock.

``^1|`` is the codec's schema: a corrupt entry has no fence. If Redis evicted the fence it restarts at 1; it is raised
above the entry's fence, because otherwise no later value could replace the entry. The key is added to the indexes now,
so that an invalidation finds its lock before a value is stored."""

RENEW: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0
"""
"""KEYS lock; ARGV token, lease ms."""

RELEASE: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0
"""
"""KEYS lock; ARGV token."""

STORE: Final = """
local locked = ARGV[1] ~= ''
local mine = locked and redis.call('GET', KEYS[2]) == ARGV[1]
local generations = tonumber(ARGV[5])
for i = 1, generations do
  if (redis.call('GET', KEYS[2 + i]) or '') ~= ARGV[5 + i] then
    if mine then redis.call('DEL', KEYS[2]) end
    return 1
  end
end
if locked and not mine then return 3 end
local raw = redis.call('GET', KEYS[1])
local digits = raw and string.match(raw, '^1|(%d+)|')
local present = digits and #digits < 16 and tonumber(digits) or 0
if present > tonumber(ARGV[2]) then
  if mine then redis.call('DEL', KEYS[2]) end
  return 2
end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4])
local time = redis.call('TIME')
local now_ms = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
for i = 3 + generations, #KEYS do
  redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', now_ms)
  redis.call('ZADD', KEYS[i], 'GT', now_ms + tonumber(ARGV[4]), KEYS[1])
  if redis.call('PTTL', KEYS[i]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[i], ARGV[4]) end
end
if mine then redis.call('DEL', KEYS[2]) end
return 0
"""
"""KEYS entry, lock, generations, indexes; ARGV token (empty: no lock), fence, bytes, TTL ms, number of generations, and
the generations at the start of the compute. Returns 0 stored, 1 invalidated, 2 overtaken, 3 lock lost."""

INVALIDATE: Final = """
local count = tonumber(ARGV[1])
local dropped = 0
for i = 2, 1 + count do
  for _, key in ipairs(redis.call('ZRANGE', KEYS[i], 0, -1)) do
    dropped = dropped + redis.call('DEL', key)
    redis.call('DEL', key .. ':!lock')
  end
  redis.call('DEL', KEYS[i])
end
local fence = redis.call('INCR', KEYS[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
for i = 2 + count, 1 + 2 * count do redis.call('SET', KEYS[i], fence, 'PX', ARGV[2]) end
return dropped
"""
"""KEYS fence, indexes, generations; ARGV number of tags, TTL of bookkeeping ms. Values are deleted first: if memory is
full the rest may fail and is retried. A lock is deleted with its entry, so that the next caller does not wait for a
compute whose value will be refused."""

DELETE: Final = """
local dropped = redis.call('DEL', KEYS[1])
redis.call('DEL', KEYS[2])
local fence = redis.call('INCR', KEYS[4])
redis.call('PEXPIRE', KEYS[4], ARGV[1])
redis.call('SET', KEYS[3], fence, 'PX', ARGV[1])
return dropped
"""
"""KEYS entry, lock, generation, fence; ARGV TTL of bookkeeping ms."""
