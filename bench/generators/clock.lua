-- The time of day in seconds, to the microsecond. Lua's own clock has whole seconds.

local ffi = require("ffi")
ffi.cdef[[
   typedef struct { long seconds; long microseconds; } rowlock_time;
   int gettimeofday(rowlock_time *now, void *zone);
]]
local clock = ffi.new("rowlock_time")

return function()
   ffi.C.gettimeofday(clock, nil)
   return tonumber(clock.seconds) + tonumber(clock.microseconds) / 1e6
end
