-- wrk's side of Wishes in bench/halls.py: reservations that no other asks for, two seats each. See loads.py for the arguments.

local made -- The only thread, whose counters are read in the end.
function setup(thread) made = thread end

-- The time of day in seconds, to the microsecond: Lua's own clock has whole seconds.
local ffi = require("ffi")
ffi.cdef[[
   typedef struct { long seconds; long microseconds; } rowlock_time;
   int gettimeofday(rowlock_time *now, void *zone);
]]
local clock = ffi.new("rowlock_time")
local function now()
   ffi.C.gettimeofday(clock, nil)
   return tonumber(clock.seconds) + tonumber(clock.microseconds) / 1e6
end

function init(arguments)
   local path, host, agent = arguments[1], arguments[2], arguments[10]
   local first_show, pairs, at_once, skip = unpack(arguments, 3, 6)
   local hot_seats, pause_ms = tonumber(arguments[7]), tonumber(arguments[8])
   local lap, number = at_once * pairs, skip - 1
   local head = "POST " .. path .. " HTTP/1.1\r\nHost: " .. host .. "\r\nUser-Agent: " .. agent
      .. "\r\nContent-Type: application/json\r\nContent-Length: "
   local format = string.format
   math.randomseed(os.time())

   function request()
      number = number + 1
      local show = first_show + math.floor(number / lap) * at_once + number % at_once
      local pair = math.floor((number % lap) / at_once)
      local a, b = 2 * pair + 1, 2 * pair + 2
      if hot_seats > 0 then
         -- Everyone wants two of the same few seats.
         show, a, b = first_show, math.random(hot_seats), math.random(hot_seats - 1)
         if b >= a then b = b + 1 end
      end
      local body = format(
         '{"show_id":"00000000-0000-4000-8000-%.0f","seat_ids":[%d,%d],"session_id":"00000000-0000-4000-9000-%.0f"}',
         show, a, b, 400000000000 + number
      )
      return head .. #body .. "\r\n\r\n" .. body
   end

   if pause_ms > 0 then
      function delay() return math.floor(-pause_ms * math.log(1 - math.random()) + 0.5) end
   end

   ramp_seconds, late = tonumber(arguments[9]), {["201"] = 0, ["409"] = 0, ["503"] = 0, other = 0}
   if ramp_seconds > 0 then
      local begins = now() + ramp_seconds
      function response(status)
         local name = late[tostring(status)] and tostring(status) or "other"
         if now() >= begins then late[name] = late[name] + 1 end
      end
   end
end

function done(summary, latency)
   local errors, seconds = summary.errors, summary.duration / 1e6
   local successes, late = summary.requests - errors.status, made:get("late")
   io.write(string.format(
      'RESULT {"successes":%d,"per_second":%.3f,"broken":%d,"p99_ms":%.3f,"late_seconds":%.6f,'
         .. '"late":{"201":%d,"409":%d,"503":%d,"other":%d}}\n',
      successes, successes / seconds, errors.connect + errors.read + errors.write + errors.timeout,
      latency:percentile(99) / 1000, seconds - made:get("ramp_seconds"),
      late["201"], late["409"], late["503"], late.other
   ))
end
