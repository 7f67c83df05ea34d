#!/usr/bin/env bash
# Generator CPU per request, pentad-load (every reply checked) beside redis-benchmark: the same redis-server on
# core 0, the generators in turn on core 1, pipeline 16, 50 connections, 100k keys of 16 bytes, values of 32.
# CPU is user + system time of the whole generator process, start-up and (for pentad-load) preload included.
# With UNIX=1 both use a Unix socket: nearly the same work for the generators, far less for the kernel's TCP.
# usage: [UNIX=1] bench/generator_cpu.sh [ROUNDS] [REQUESTS] [PORT]
set -euo pipefail
rounds=${1:-5} requests=${2:-3000000} port=${3:-7811}
load=${PENTAD_LOAD:-$(dirname "$0")/../target/release/pentad-load}
[ -x "$load" ] || load=$(dirname "$0")/../../../target/release/pentad-load
socket=/tmp/pentad-load-bench.$$.sock
taskset -c 0 redis-server --port "$port" --unixsocket "$socket" --save '' >/dev/null &
server=$!
trap 'kill $server' EXIT
until redis-cli -p "$port" ping >/dev/null 2>&1; do sleep 0.1; done

cpu() { # runs a command on core 1, prints its CPU microseconds per request
  TIMEFORMAT='%U %S'
  { time taskset -c 1 "$@" >/dev/null 2>&1; } 2>&1 | awk -v n="$requests" '{ printf "%.4f\n", ($1 + $2) * 1e6 / n }'
}
median() { sort -n | awk '{ v[NR] = $1 } END { print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

at=(-p "$port") url=resp://127.0.0.1:$port
[ -z "${UNIX:-}" ] || { at=(-s "$socket") url=resp+unix://$socket; }
dir=$(mktemp -d)
for _ in $(seq "$rounds"); do
  for what in get set; do
    cpu redis-benchmark "${at[@]}" -t $what -n "$requests" -P 16 -c 50 -r 100000 -d 32 --csv >>"$dir/redis-$what"
    ratio=$([ $what = get ] && echo 1:0 || echo 0:1)
    cpu "$load" --target "$url" -n "$requests" -p 16 -c 50 -k 100k -d 32 --ratio $ratio -q >>"$dir/pentad-$what"
  done
done
for what in get set; do
  r=$(median <"$dir/redis-$what") p=$(median <"$dir/pentad-$what")
  echo "$what: redis-benchmark $r us, pentad-load $p us of CPU per request, ratio $(awk -v a="$p" -v b="$r" 'BEGIN { printf "%.3f", a / b }')"
done
rm -r "$dir"
