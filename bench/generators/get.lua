-- GETs that take turns: each for a slice of time, then the next. Prints the summary as reserve.lua does. See wrk.py for
-- the arguments.

local now = dofile(debug.getinfo(1, "S").source:match("^@(.*/)") .. "clock.lua")

local thread

function setup(made)
   thread = made
end

function init(arguments)
   local slice, unsettled, counted_slices = tonumber(arguments[1]), tonumber(arguments[2]), tonumber(arguments[3])
   local requests = {}
   for place = 4, #arguments do
      -- The path, then a header on each further line.
      local lines = {}
      for line in arguments[place]:gmatch("[^\n]+") do table.insert(lines, line) end
      local headers = {}
      for number = 2, #lines do
         local name, value = lines[number]:match("^([^:]+): (.*)$")
         headers[name] = value
      end
      table.insert(requests, wrk.format("GET", lines[1], headers))
   end

   counts = {}
   for kind = 1, #requests do counts[kind] = 0 end
   local kinds, floor, begins = #requests, math.floor, now()
   -- Whoever is answered asks again at once, so what is sent in a slice is also what is answered in it, but for its
   -- first moments, in which the answers are still those of the slice before.
   function request()
      local passed = now() - begins
      local number = floor(passed / slice)
      local kind = number % kinds + 1
      if number < counted_slices and passed - number * slice >= unsettled then counts[kind] = counts[kind] + 1 end
      return requests[kind]
   end
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      'RESULT {"requests":%d,"refused":%d,"broken":%d,"seconds":%.6f,"p50":%.6f,"p99":%.6f,'
         .. '"ramp_seconds":0,"all":{},"late":{},"counts":[%s]}\n',
      summary.requests, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
      summary.duration / 1e6, latency:percentile(50) / 1e6, latency:percentile(99) / 1e6,
      table.concat(thread:get("counts"), ",")
   ))
end
