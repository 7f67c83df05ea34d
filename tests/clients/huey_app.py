"""The tasks as Huey's; see workers.py. HUEY says which of its storages for Redis they are kept in."""

import os

from huey import PriorityRedisHuey, RedisHuey

import tasks

kinds = {"plain": RedisHuey, "priority": PriorityRedisHuey}
huey = kinds[os.environ["HUEY"]]("jobs", url=os.environ["BROKER"])

double = huey.task()(tasks.double)
add = huey.task()(tasks.add)
fail = huey.task()(tasks.fail)


@huey.task(retries=2, retry_delay=0, context=True)
def stubborn(key, task=None):
    """Fails twice, and says each time how often it will be tried again."""
    huey.storage.conn.rpush(key, task.retries)
    if task.retries:
        raise ValueError("not yet")
    return "at last"


@huey.task()
@huey.lock_task("only one")
def exclusive(number):
    return number


@huey.task()
def noted(key, number):
    huey.storage.conn.rpush(key, number)


@huey.task()
def total(numbers):
    return sum(numbers)
