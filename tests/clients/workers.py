"""Queues of jobs as programs use them, through a server that runs already and is empty: RQ, Celery and Huey, each with a worker
in a process of its own.

    python3 tests/clients/workers.py PORT

Prints what became of the jobs, so that two servers can be compared by `diff`. All of them run scripts on the server.
"""

import logging
import os
import pathlib
import subprocess
import sys
import time

import huey.api
import redis

import tasks

PORT = int(sys.argv[1])
URL = os.environ["BROKER"] = f"redis://127.0.0.1:{PORT}"
JOBS = 1000
PATIENCE_S = 60
HERE = pathlib.Path(__file__).parent


def main():
    server = redis.Redis(port=PORT)
    for queue in (with_rq, with_celery, with_huey):
        server.flushall()
        queue(server)


def worker(*command):
    """A process that works until it is told to stop; what it says is shown when something goes wrong."""
    env = {**os.environ, "PYTHONPATH": str(HERE), "BROKER": URL}
    return subprocess.Popen(command, cwd=HERE, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def until(done, process):
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        if time.monotonic() > deadline or process.poll() is not None:
            process.kill()
            sys.exit(f"the worker does not come to an end:\n{process.communicate()[0][-5000:]}")
        time.sleep(0.02)


# ---- RQ -------------------------------------------------------------------------------------------


def with_rq(server):
    import rq

    queue = rq.Queue("jobs", connection=server)
    jobs = [queue.enqueue(tasks.double, number, result_ttl=500) for number in range(JOBS - 20)]
    jobs += queue.enqueue_many([rq.Queue.prepare_data(tasks.double, (number,)) for number in range(10)])
    first = queue.enqueue(tasks.add, 1, 2)
    jobs.append(first)
    jobs += [queue.enqueue(tasks.add, 3, 4, depends_on=first) for _ in range(4)]
    jobs += [queue.enqueue(tasks.fail, number) for number in range(5)]
    ended = worker(
        sys.executable, "-m", "rq.cli", "worker", "--burst", "--url", URL, "-w", "rq.SimpleWorker", "--quiet", "jobs"
    )
    said, _ = ended.communicate(timeout=PATIENCE_S)
    if ended.returncode != 0:
        sys.exit(f"the worker of RQ failed:\n{said[-5000:]}")
    states = {}
    for job in jobs:
        state = job.get_status(refresh=True).value
        states[state] = states.get(state, 0) + 1
    results = sum(job.return_value(refresh=True) or 0 for job in jobs)
    failed = queue.failed_job_registry.count
    print("rq:", dict(sorted(states.items())), results, failed, queue.finished_job_registry.count, len(queue))
    latest = jobs[-1].latest_result()
    print("rq, the last:", latest.type.name, latest.exc_string.strip().splitlines()[-1])


# ---- Celery ---------------------------------------------------------------------------------------


def with_celery(server):
    from celery_app import app, add, double, fail
    from celery import chain, group

    process = worker(
        sys.executable, "-m", "celery", "-A", "celery_app", "worker", "--pool", "threads", "--concurrency", "4",
        "--loglevel", "ERROR", "--without-mingle",
    )  # fmt: skip
    answers = [double.delay(number) for number in range(JOBS)]
    until(lambda: all(answer.ready() for answer in answers), process)
    print("celery:", sum(answer.get(timeout=5) for answer in answers), {answer.state for answer in answers})
    failed = fail.delay(7)
    until(failed.ready, process)
    print("celery, failed:", failed.state, repr(failed.result))
    chained = chain(double.s(2), add.s(3), double.s())()
    until(chained.ready, process)
    grouped = group(double.s(number) for number in range(10))()
    until(grouped.ready, process)
    print("celery, together:", chained.get(timeout=5), grouped.get(timeout=5))
    later = double.apply_async((21,), countdown=0.2)
    until(later.ready, process)
    print("celery, later:", later.get(timeout=5))
    (pong,) = app.control.ping(timeout=2) or [None]
    print("celery, control:", pong and list(pong.values()))
    stop(process)


# ---- Huey -----------------------------------------------------------------------------------------


def with_huey(server):
    for kind in ("plain", "priority"):
        os.environ["HUEY"] = kind
        sys.modules.pop("huey_app", None)
        with_huey_of(server, kind)
        server.flushall()


def with_huey_of(server, kind):
    import huey.exceptions
    from huey_app import add, double, exclusive, fail, huey as app, noted, stubborn, total

    def show(what, *values):
        print(f"huey, {kind}, {what}:", *values)

    def outcome(result):
        try:
            return result.get(blocking=True, timeout=PATIENCE_S)
        except huey.exceptions.TaskException as error:
            return error.metadata["error"]

    # What waits before there is a worker: one by one, the most urgent first where the storage knows of urgency.
    for number in range(20):
        app.enqueue(noted.s("order", number, priority=number % 5 if kind == "priority" else None))
    revoked = double(1)
    revoked.revoke()
    show("waiting", app.pending_count(), app.scheduled_count(), revoked.is_revoked())
    process = huey_worker(1)
    until(lambda: server.llen("order") == 20 and app.pending_count() == 0, process)
    show("order", [int(number) for number in server.lrange("order", 0, -1)])
    stop(process)

    process = huey_worker(4)
    answers = [double(number) for number in range(JOBS)]
    values = []

    def taken():
        while len(values) < JOBS:
            value = answers[len(values)].get()
            if value is None:
                return False
            values.append(value)
        return True

    # A result of 0 is a result, too; only None is none.
    until(taken, process)
    show("all", sum(values), app.pending_count(), app.result_count())
    show("failed", outcome(fail(7)))
    pipeline = double.s(2).then(add, 3).then(double)
    show("chained", app.enqueue(pipeline).get(blocking=True, timeout=PATIENCE_S))
    mapped = double.map(range(10))
    show("mapped", mapped.get(blocking=True, timeout=PATIENCE_S))
    together = app.enqueue(huey.api.chord([double.s(number) for number in range(10)], total.s()))
    show("chord", together.callback.get(blocking=True, timeout=PATIENCE_S))

    # Each failure before the last has a result, too, so it is not the result that is waited for.
    stubborn("tries")
    until(lambda: server.llen("tries") == 3 and app.pending_count() == app.scheduled_count() == 0, process)
    show("tried again", [int(left) for left in server.lrange("tries", 0, -1)])

    later = double.schedule((21,), delay=0.2)
    show("later", later.get(blocking=True, timeout=PATIENCE_S))
    never = double.schedule((1,), delay=3600)
    until(lambda: app.scheduled_count() == 1, process)
    never.revoke()
    show("never", never.is_revoked(), app.scheduled_count())

    with app.lock_task("only one"):
        show("locked", app.is_locked("only one"), outcome(exclusive(1)).partition(":")[0].partition("(")[0])
    show("free", app.is_locked("only one"), outcome(exclusive(2)))
    limit = app.rate_limit("some", limit=3, per=10**9)
    admitted = 0
    for _ in range(5):
        try:
            with limit:
                admitted += 1
        except huey.exceptions.RateLimitExceeded:
            pass
    show("limited", admitted)
    stop(process)


def huey_worker(threads):
    return worker(
        sys.executable, "-m", "huey.bin.huey_consumer", "huey_app.huey", "-k", "thread", "-w", str(threads), "-n", "-q", "-s", "1",
        "-d", "0.01", "-m", "0.05",
    )  # fmt: skip


def stop(process):
    process.terminate()
    process.wait(PATIENCE_S)


logging.getLogger("huey").setLevel(logging.ERROR)
main()
