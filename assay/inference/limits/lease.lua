-- Quota of one lane for all workers: fills one bucket per limit, timed by the server's clock; divides the inflow equally
-- among the active runs, and a run's share among its workers; leases quota to the worker that requests it.
-- KEYS[1] is the lane. ARGV[1] is a `LeaseRequest` as JSON; the result is a `LimitLease` as JSON (see leases.py).
local ask = cjson.decode(ARGV[1])
local rules = ask.rules
local clock = redis.call('TIME')
local now = tonumber(clock[1]) + tonumber(clock[2]) / 1000000

local packed = redis.call('GET', KEYS[1])
local lane = packed and cmsgpack.unpack(packed)
    or { at = now, factor = 1, decreased_at = 0, paused_until = 0, quotas = {}, workers = {} }
local elapsed = math.max(0, now - lane.at)
lane.at = now

-- A worker that has not sent a request for `lives_s` counts as stopped; one that wants nothing now receives no share.
for name, worker in pairs(lane.workers) do
    if worker.until_s <= now then lane.workers[name] = nil end
end
local me = lane.workers[ask.worker] or { credits = {} }
me.run, me.wants, me.limits, me.until_s = ask.run, ask.wants, ask.limits, now + rules.lives_s
lane.workers[ask.worker] = me

local runs, in_run = 0, {}
for _, worker in pairs(lane.workers) do
    if worker.wants then
        if not in_run[worker.run] then runs = runs + 1 end
        in_run[worker.run] = (in_run[worker.run] or 0) + 1
    end
end
local function share_of(worker)
    return worker.wants and 1 / (runs * in_run[worker.run]) or 0
end

-- The lowest limit that an active worker has stated or learned; the previous value if no worker knows one.
local function known(kind)
    local least
    for _, worker in pairs(lane.workers) do
        local limit = worker.limits[kind]
        if limit and (not least or limit < least) then least = limit end
    end
    if least then return least end
    local quota = lane.quotas[kind]
    return quota and not quota.found and quota.limit or nil
end
local requests_limit, tokens_limit, day_limit = known('requests'), known('tokens'), known('day')
if requests_limit then lane.found_rps = nil end

-- A refusal slows all workers; refusals of calls sent before the last decrease have no effect.
if ask.refused_age_s and now - ask.refused_age_s > lane.decreased_at then
    lane.decreased_at = now
    local few = ask.refused_share < rules.few
    if lane.found_rps then
        local slower = lane.found_rps * rules.first_decrease
        lane.ceiling_rps = few and math.max(lane.ceiling_rps or 0, lane.found_rps) or lane.found_rps
        if few and slower < rules.least * lane.ceiling_rps then
            lane.ceiling_rps = lane.ceiling_rps * rules.raised
            slower = math.max(lane.found_rps, rules.least * lane.ceiling_rps)
        end
        lane.found_rps = math.max(rules.lowest_rps, slower)
    elseif requests_limit or tokens_limit then
        local least = few and rules.least or rules.lowest_factor
        lane.factor = math.min(lane.factor, math.max(least, lane.factor * rules.decrease))
    else
        lane.ceiling_rps = ask.reached_rps / math.max(share_of(me), 0.01)
        lane.found_rps = math.max(rules.lowest_rps, lane.ceiling_rps * rules.first_decrease)
    end
    for _, quota in pairs(lane.quotas) do quota.level = math.min(quota.level, 0) end
elseif lane.found_rps then
    lane.found_rps = lane.found_rps * (1 + rules.recover_per_s * elapsed)
else
    lane.factor = math.min(1, lane.factor + rules.recover_per_s * elapsed)
end
if ask.pause_s then lane.paused_until = math.max(lane.paused_until, now + ask.pause_s) end

-- The inflow is credited to the workers that want quota; credit above a worker's maximum goes to a pool shared by all.
local function divide(quota, kind, inflow)
    local pool = quota.pool + (runs == 0 and inflow or 0)
    local owed = 0
    for _, worker in pairs(lane.workers) do
        local share = share_of(worker)
        local credit = (worker.credits[kind] or 0) + inflow * share
        local kept = worker.wants and math.min(credit, math.max(1, quota.capacity * share)) or math.min(credit, 0)
        pool = pool + credit - kept
        worker.credits[kind] = kept
        owed = owed + math.max(0, kept)
    end
    quota.pool = math.min(pool, quota.capacity)
    -- Credits and pool together must not exceed the level, so that every worker can be granted its credit.
    local there = math.max(0, quota.level)
    if owed + quota.pool > there then
        local part = there / (owed + quota.pool)
        quota.pool = quota.pool * part
        for _, worker in pairs(lane.workers) do
            if worker.credits[kind] > 0 then worker.credits[kind] = worker.credits[kind] * part end
        end
    end
end

local function fill(kind, limit)
    if not limit then return end
    local rate = limit * rules.pace * lane.factor
    local capacity = math.max(1, rate * rules.burst_s)
    local quota = lane.quotas[kind] or { level = capacity, pool = capacity }
    lane.quotas[kind] = quota
    quota.limit, quota.capacity = limit, capacity
    local back = ask.back[kind]
    quota.level = math.min(math.max(capacity, quota.level), quota.level + rate * elapsed) + back
    if ask.at_provider[kind] then quota.level = math.min(quota.level, math.max(ask.at_provider[kind], -rate)) end
    divide(quota, kind, rate * elapsed + back)
end
fill('requests', requests_limit or lane.found_rps)
fill('tokens', tokens_limit)
if lane.quotas.requests then lane.quotas.requests.found = lane.found_rps ~= nil end
if day_limit then
    local day = lane.quotas.day or { level = ask.day_level or day_limit }
    day.limit = day_limit
    day.level = math.min(day_limit, day.level + elapsed * day_limit / 86400 + ask.back.requests)
    if ask.at_provider.day then day.level = math.min(day.level, ask.at_provider.day) end
    lane.quotas.day = day
end

-- A call larger than a worker's maximum credit is permitted once that credit is full; the credit is then negative until
-- the inflow has made up the difference.
local function lease(kind, want, need)
    local quota = lane.quotas[kind]
    if not quota or want <= 0 or lane.paused_until > now then return 0 end
    local credit = me.credits[kind]
    local have = math.min(quota.level, credit + quota.pool) + 0.000001
    if have < math.min(need, math.max(1, quota.capacity * share_of(me))) then return 0 end
    local granted = math.max(need, math.floor(math.min(want, have)))
    local from_pool = math.min(quota.pool, math.max(0, granted - math.max(0, credit)))
    quota.level, quota.pool, me.credits[kind] = quota.level - granted, quota.pool - from_pool, credit - granted + from_pool
    return granted
end

local want, need, day = ask.want.requests, ask.need.requests, lane.quotas.day
if day then
    want = math.min(want, math.floor(day.level))
    need = math.min(need, math.max(want, 0))
end
local granted = lane.quotas.requests and lease('requests', want, need) or day and math.max(want, 0) or 0
if day then day.level = day.level - granted end
local answer = {
    requests = granted,
    tokens = lease('tokens', ask.want.tokens, ask.need.tokens),
    share = me.wants and share_of(me) or 1 / (runs + 1),
    factor = lane.factor,
    found = lane.found_rps ~= nil,
    paused_s = math.max(0, lane.paused_until - now),
    requests_per_s = lane.quotas.requests and lane.quotas.requests.limit,
    tokens_per_s = lane.quotas.tokens and lane.quotas.tokens.limit,
    day_limit = day and day.limit,
    day_level = day and day.level,
}
if ask.leaving then lane.workers[ask.worker] = nil end
redis.call('SET', KEYS[1], cmsgpack.pack(lane), 'EX', rules.kept_s)
return cjson.encode(answer)
