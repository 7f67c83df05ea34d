"""Queues of jobs as programs use them, through a server that runs already and is empty: RQ, Celery and Huey, each with a worker
in a process of its own.

    python3 tests/clients/workers.py PORT

Prints what became of the jobs, so that two servers can be compared by `diff`. What needs scripting is done where the server
answers EVAL (or where SCRIPTING=1 says that it must). Where it does not, the lock of Celery's transport is released with WATCH, and
the jobs that Huey schedules are left out; the first line on standard error says so.
"""

import logging
import os
import pathlib
import subprocess
import sys
import time

import redis

import tasks

PORT = int(sys.argv[1])
URL = os.environ["BROKER"] = f"redis://127.0.0.1:{PORT}"
JOBS = 1000
PATIENCE_S = 60
HERE = pathlib.Path(__file__).parent


def main():
    server = redis.Redis(port=PORT)
    if not has_scripting(server):
        os.environ["SCRIPTING"] = "0"
        print("without scripting", file=sys.stderr)
    for queue in (with_rq, with_celery, with_huey):
        server.flushall()
        queue(server)


def has_scripting(server):
    if os.environ.get("SCRIPTING") == "1":
        return True
    try:
        return server.eval("return 1", 0) == 1
    except redis.ResponseError:
        return False


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
    process.terminate()
    process.wait(PATIENCE_S)


# ---- Huey -----------------------------------------------------------------------------------------


def with_huey(server):
    import huey.exceptions
    from huey_app import add, double, fail, huey as app

    process = worker(sys.executable, "-m", "huey.bin.huey_consumer", "huey_app.huey", "-k", "thread", "-w", "4", "-n", "-q")
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
    print("huey:", sum(values), app.pending_count(), app.result_count())
    failed = fail(7)
    try:
        print("huey, failed:", failed.get(blocking=True, timeout=PATIENCE_S))
    except huey.exceptions.TaskException as error:
        print("huey, failed:", error.metadata["error"])
    pipeline = double.s(2).then(add, 3).then(double)
    print("huey, chained:", app.enqueue(pipeline).get(blocking=True, timeout=PATIENCE_S))
    with app.lock_task("lock"):
        print("huey, locked:", app.is_locked("lock"))
    if os.environ.get("SCRIPTING") != "0":
        later = double.schedule((21,), delay=0.2)
        value = later.get(blocking=True, timeout=PATIENCE_S)
        if value != 42:
            sys.exit(f"the scheduled job gave {value}")
    process.terminate()
    process.wait(PATIENCE_S)


logging.getLogger("huey").setLevel(logging.ERROR)
main()
