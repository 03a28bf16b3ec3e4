-- Takes a token out of the bucket KEYS[1]. The law is that of law.rs, and one table of cases holds for both.
-- ARGV: tokens in a second, tokens of a full bucket, longest delay in microseconds, milliseconds to remember it,
-- and, in tests only, the time in microseconds.
local rate, burst, longest = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local now = tonumber(ARGV[5])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000000 + tonumber(time[2])
end
local bucket = redis.call('HMGET', KEYS[1], 'last', 'tokens')
local at, filled = now, burst
if bucket[1] and bucket[2] then
  local before = tonumber(bucket[1])
  at = math.max(now, before)
  filled = math.min(burst, tonumber(bucket[2]) + math.max(0, now - before) / 1000000 * rate)
end
local tokens = filled - 1
-- Whole microseconds: what is left of fractions decides nothing.
local wait = math.floor(math.max(0, -tokens) / rate * 1000000 + 0.5)
if wait > longest then
  -- Nothing was taken: what is known of the bucket is as good as before.
  return {0, string.format('%.0f', wait)}
end
redis.call('HSET', KEYS[1], 'last', string.format('%.0f', at), 'tokens', string.format('%.17g', tokens))
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return {1, string.format('%.0f', wait)}
