#!/usr/bin/env bash
# What a cached EVALSHA that does one GET costs the server: CPU time a request, pentad beside redis-server.
#
# Usage: tools/bench_evalsha.sh target/release/pentad [REQUESTS] [PIPELINE]
set -euo pipefail
pentad=$1
requests=${2:-200000}
pipeline=${3:-16}
ours=7481
theirs=7482
"$pentad" --listen resp://127.0.0.1:$ours --log-level error >/dev/null &
ours_pid=$!
redis-server --port $theirs --save '' --appendonly no --daemonize no >/dev/null &
theirs_pid=$!
trap 'kill $ours_pid $theirs_pid 2>/dev/null; wait 2>/dev/null || true' EXIT
for port in $ours $theirs; do
    until redis-cli -p "$port" PING >/dev/null 2>&1; do sleep 0.05; done
    redis-cli -p "$port" SET key value >/dev/null
done
# CPU time of a process so far, in ticks of 10 ms.
ticks() { awk '{print $14 + $15}' "/proc/$1/stat"; }
for round in 1 2 3; do
    for which in ours theirs; do
        port=${!which}
        pid_name=${which}_pid
        pid=${!pid_name}
        sha=$(redis-cli -p "$port" SCRIPT LOAD "return redis.call('GET', KEYS[1])")
        before=$(ticks "$pid")
        redis-benchmark -p "$port" -q -n "$requests" -c 20 -P "$pipeline" EVALSHA "$sha" 1 key >/dev/null
        after=$(ticks "$pid")
        awk -v t=$((after - before)) -v n="$requests" -v w="$which" -v r="$round" \
            'BEGIN { printf "%s %d: %.2f us of CPU a request\n", w, r, t * 10000 / n }'
    done
done
