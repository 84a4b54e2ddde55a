-- The same GET again and again; wrk takes it from its own options. Prints the summary as reserve.lua does.

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      'RESULT {"requests":%d,"refused":%d,"broken":%d,"seconds":%.6f,"p50":%.6f,"p99":%.6f,'
         .. '"ramp_seconds":0,"all":{},"late":{}}\n',
      summary.requests, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
      summary.duration / 1e6, latency:percentile(50) / 1e6, latency:percentile(99) / 1e6
   ))
end
