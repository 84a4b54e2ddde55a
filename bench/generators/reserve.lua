-- wrk's side of bench/wishes.py: reservations that nobody else asks for, two seats each. See wrk.py for the arguments.

local threads = {}

function setup(thread)
   thread:set("thread_number", #threads)
   table.insert(threads, thread)
end

local names = {
   "threads", "path", "host", "first_show", "pairs", "at_once", "first_pair", "skip", "hot_seats", "pause_ms",
   "count", "ramp_seconds", "user_agent",
}

local now = dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "clock.lua")

function init(arguments)
   local given = {}
   for place, name in ipairs(names) do
      given[name] = tonumber(arguments[place]) or arguments[place]
   end
   local lap = given.at_once * given.pairs
   local number = given.skip + thread_number - given.threads
   local head = "POST " .. given.path .. " HTTP/1.1\r\nHost: " .. given.host .. "\r\nUser-Agent: " .. given.user_agent
      .. "\r\nContent-Type: application/json\r\nContent-Length: "
   local format = string.format
   math.randomseed(os.time() + thread_number)

   local function post(show, a, b, n)
      local body = format(
         '{"show_id":"00000000-0000-4000-8000-%.0f","seat_ids":[%d,%d],"session_id":"%.0f"}',
         show, a, b, 4000000000000 + n
      )
      return head .. #body .. "\r\n\r\n" .. body
   end

   if given.hot_seats > 0 then
      -- Everybody wants two of the same few seats.
      function request()
         number = number + given.threads
         local a = math.random(given.hot_seats)
         local b = math.random(given.hot_seats - 1)
         if b >= a then b = b + 1 end
         return post(given.first_show, a, b, number)
      end
   else
      function request()
         number = number + given.threads
         local show = given.first_show + math.floor(number / lap) * given.at_once + number % given.at_once
         local pair = given.first_pair + math.floor((number % lap) / given.at_once)
         return post(show, 2 * pair + 1, 2 * pair + 2, number)
      end
   end

   if given.pause_ms > 0 then
      function delay()
         return math.floor(-given.pause_ms * math.log(1 - math.random()) + 0.5)
      end
   end

   if given.count > 0 then
      all_201, all_409, all_503, all_other = 0, 0, 0, 0
      late_201, late_409, late_503, late_other = 0, 0, 0, 0
      ramp_seconds = given.ramp_seconds
      local begins = now() + ramp_seconds
      function response(status)
         local late = now() >= begins and 1 or 0
         if status == 201 then all_201, late_201 = all_201 + 1, late_201 + late
         elseif status == 409 then all_409, late_409 = all_409 + 1, late_409 + late
         elseif status == 503 then all_503, late_503 = all_503 + 1, late_503 + late
         else all_other, late_other = all_other + 1, late_other + late end
      end
   end
end

-- The sums of four counters over all threads, as JSON.
local function counts(prefix)
   local parts = {}
   for _, status in ipairs({"201", "409", "503", "other"}) do
      local sum = 0
      for _, thread in ipairs(threads) do sum = sum + (thread:get(prefix .. status) or 0) end
      table.insert(parts, string.format('"%s":%d', status, sum))
   end
   return "{" .. table.concat(parts, ",") .. "}"
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      'RESULT {"requests":%d,"refused":%d,"broken":%d,"seconds":%.6f,"p50":%.6f,"p99":%.6f,'
         .. '"ramp_seconds":%.6f,"all":%s,"late":%s}\n',
      summary.requests, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
      summary.duration / 1e6, latency:percentile(50) / 1e6, latency:percentile(99) / 1e6,
      threads[1]:get("ramp_seconds") or 0, counts("all_"), counts("late_")
   ))
end
