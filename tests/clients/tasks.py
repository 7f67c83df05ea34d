"""What the workers of workers.py do: a little arithmetic, a failure now and then, and a chain."""


def double(number):
    return 2 * number


def fail(number):
    raise ValueError(f"not {number}")


def add(one, other):
    return one + other
