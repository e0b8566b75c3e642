-- The callback budget of carillon/policy/governor.py, in the store and on the store's clock. Keep the two alike.
-- KEYS[1]: a hash with the fields reserve, shared (tokens left) and at (seconds since 1970).
-- ARGV: rate, burst, reserve (a share), 1 for critical or 0, want.
-- Returns granted (a whole number), retry_after_s and the time that was used, as decimal text: Lua would cut them.
local rate, burst, share = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local critical, want = ARGV[4] == '1', tonumber(ARGV[5])
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000

local reserve, shared = share * burst, (1 - share) * burst
local held = redis.call('HMGET', KEYS[1], 'reserve', 'shared', 'at')
if held[1] and held[2] and held[3] then
  local new = math.max(0, now - tonumber(held[3])) * rate
  reserve = math.min(reserve, tonumber(held[1]) + share * new)
  shared = math.min(shared, tonumber(held[2]) + (1 - share) * new)
end

local may = critical and reserve + shared or shared
local granted = math.max(0, math.min(want, math.floor(may)))
local from_reserve = critical and math.min(granted, reserve) or 0
local retry_after = 0
if granted == 0 and want > 0 then
  local refill = critical and rate or rate * (1 - share)
  retry_after = math.max(0.01, (1 - may) / refill)
end

local function exact(number)
  return string.format('%.17g', number)
end
redis.call('HSET', KEYS[1], 'reserve', exact(reserve - from_reserve),
  'shared', exact(shared - (granted - from_reserve)), 'at', exact(now))
-- After this time the bucket would be full again anyway: a budget nobody uses leaves nothing behind.
redis.call('EXPIRE', KEYS[1], math.ceil(burst / rate) + 60)
return {granted, exact(retry_after), exact(now)}
