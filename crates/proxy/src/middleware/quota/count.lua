-- Counts a request of the source KEYS[1], if it has one left. The law is that of local.rs, and one table of cases
-- holds for both. ARGV: requests in a period, the period in milliseconds, and, in tests only, the time in milliseconds.
local limit, length = tonumber(ARGV[1]), tonumber(ARGV[2])
local now = tonumber(ARGV[3])
if not now then
  local time = redis.call('TIME')
  now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end
local period, left = math.floor(now / length), length - now % length
local known = redis.call('HMGET', KEYS[1], 'period', 'requests')
local requests = 0
if known[1] and known[2] and tonumber(known[1]) == period then
  requests = tonumber(known[2])
end
if requests >= limit then
  return {0, string.format('%.0f', requests), string.format('%.0f', left)}
end
requests = requests + 1
redis.call('HSET', KEYS[1], 'period', string.format('%.0f', period), 'requests', string.format('%.0f', requests))
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', left))
return {1, string.format('%.0f', requests), string.format('%.0f', left)}
