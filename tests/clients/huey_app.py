"""The tasks as Huey's; see workers.py."""

import os

from huey import RedisHuey

import tasks

huey = RedisHuey("jobs", url=os.environ["BROKER"])

double = huey.task()(tasks.double)
add = huey.task()(tasks.add)
fail = huey.task()(tasks.fail)
