#!/usr/bin/env bash
# Runs the clients of this folder against a pentad that runs already and against a redis-server of its own, and compares what
# they print.
#
#     tests/clients/beside_redis.sh PORT PYTHON REDIS_RS NODE_FOLDER
#
# PORT is pentad's, whose data will be lost. PYTHON has what requirements.txt lists; REDIS_RS is the built program of redis_rs/;
# NODE_FOLDER is node/ with what `npm ci` installs.
set -euo pipefail
port=$1 python=$2 redis_rs=$3 node=$4
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
redis=
trap '[[ -z $redis ]] || kill "$redis"; wait; rm -rf "$work"' EXIT

redis_port=$("$python" -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
redis-server --port "$redis_port" --bind 127.0.0.1 --save '' --appendonly no --dir "$work" >"$work/redis.log" &
redis=$!
for _ in $(seq 100); do
    redis-cli -p "$redis_port" PING >/dev/null 2>&1 && break
    sleep 0.1
done

# Runs a client on both at the same time; it gets the port as its last argument. What it prints must be the same.
beside() {
    local name=$1 code=0 started=$SECONDS
    shift
    redis-cli -p "$port" FLUSHALL >/dev/null
    redis-cli -p "$redis_port" FLUSHALL >/dev/null
    timeout 180 "$@" "$redis_port" >"$work/theirs" 2>"$work/their-errors" &
    local other=$!
    timeout 180 "$@" "$port" >"$work/ours" 2>"$work/our-errors" || code=$?
    if ((code != 0)); then
        tail -n 40 "$work/our-errors" "$work/ours"
        echo "FAILED: $name on pentad, exit code $code"
        exit 1
    fi
    wait "$other" || {
        tail -n 40 "$work/their-errors" "$work/theirs"
        echo "FAILED: $name on redis-server"
        exit 1
    }
    diff "$work/theirs" "$work/ours" || {
        echo "FAILED: $name gets other answers from pentad (>) than from redis-server (<)"
        exit 1
    }
    echo "ok: $name, $(wc -l <"$work/ours") equal lines, $((SECONDS - started)) s"
}

beside "redis-py, its families of commands" "$python" -W ignore "$here/redis_py_families.py"
beside "redis-rs" "$redis_rs"
beside "ioredis and node-redis" node "$node/clients.mjs"
beside "locks, rate limits, scripts and functions" "$python" -W ignore "$here/locks.py"
beside "BullMQ, 1,000 jobs" node "$node/queues.mjs"
beside "RQ, Celery and Huey, 1,000 jobs each" "$python" -W ignore "$here/workers.py"
