"""The tasks as Celery's; see workers.py."""

import os

from celery import Celery

import tasks

app = Celery("jobs", broker=f"{os.environ.get('BROKER')}/0", backend=f"{os.environ.get('BROKER')}/1")
app.conf.update(task_acks_late=True, result_expires=600, broker_connection_retry_on_startup=True)

double = app.task(tasks.double, name="double")
add = app.task(tasks.add, name="add")
fail = app.task(tasks.fail, name="fail")
