"""What jobs ask of a scheduler: minutes, memory, GPUs; on one machine only the GPUs count (see the profiles).

A job that runs out of time or memory is tried again, as often as the profile's `retries` says, with twice the minutes
and once more the memory. Running out of time while training costs nothing: it goes on where it stopped.
"""

# Minutes at the first attempt.
MINUTES = {
    "smoke": {"data": 10, "train": 10, "sample": 10, "evaluate": 10, "objective": 10},
    "quick": {"data": 60, "train": 120, "sample": 60, "evaluate": 60, "objective": 60},
    "paper": {"data": 240, "train": 720, "sample": 240, "evaluate": 240, "objective": 240},
}


def minutes(stage):
    """The resource `runtime` of a stage."""
    first = MINUTES[CONFIG.budget][stage]
    return lambda wildcards, attempt: first * 2 ** (attempt - 1)


def memory(megabytes):
    """The resource `mem_mb`: so much at the first attempt."""
    return lambda wildcards, attempt: megabytes * attempt
