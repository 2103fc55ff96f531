-- wrk: POST the bodies in the file $BENCH_BODY, a line each and in turn, with the headers in $BENCH_HEADERS ("name: value" lines); one JSON line at the end.
local bodies, at = {}, 0
for line in io.lines(os.getenv("BENCH_BODY")) do
  bodies[#bodies + 1] = line
end
wrk.method = "POST"
wrk.body = bodies[1]
for name, value in (os.getenv("BENCH_HEADERS") or ""):gmatch("([^:\n]+): ([^\n]*)") do
  wrk.headers[name] = value
end
if #bodies > 1 then
  request = function()
    at = at % #bodies + 1
    return wrk.format(nil, nil, nil, bodies[at])
  end
end

done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %.6f, "p50_s": %.6f, "p99_s": %.6f, "failed": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e6, latency:percentile(99) / 1e6,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
