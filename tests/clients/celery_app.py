"""The tasks as Celery's; see workers.py."""

import os

import redis
from celery import Celery
from redis.exceptions import LockNotOwnedError

import tasks


def release_without_scripting(self, expected_token):
    """What the script of redis-py's locks does, with WATCH. Celery's transport takes such a lock."""
    with self.redis.pipeline() as pipeline:
        pipeline.watch(self.name)
        if pipeline.get(self.name) != expected_token:
            raise LockNotOwnedError("Cannot release a lock that's no longer owned")
        pipeline.multi()
        pipeline.delete(self.name)
        pipeline.execute()


if os.environ.get("SCRIPTING") == "0":
    redis.lock.Lock.do_release = release_without_scripting

app = Celery("jobs", broker=f"{os.environ.get('BROKER')}/0", backend=f"{os.environ.get('BROKER')}/1")
app.conf.update(task_acks_late=True, result_expires=600, broker_connection_retry_on_startup=True)

double = app.task(tasks.double, name="double")
add = app.task(tasks.add, name="add")
fail = app.task(tasks.fail, name="fail")
