"""What jobs ask of a scheduler: minutes, memory, GPUs; on one machine only the GPUs count (see the profiles).

A job that runs out of time or memory is tried again, as often as the profile's `retries` says, with twice the minutes
and once more the memory. Running out of time while training costs nothing: it goes on where it stopped.
"""

# Minutes at the first attempt, of any stage and of training.
MINUTES = {"smoke": (10, 10), "quick": (60, 120), "paper": (240, 720)}


def minutes(stage):
    """The resource `runtime` of a stage."""
    first = MINUTES[CONFIG.budget][stage == "train"]
    return lambda wildcards, attempt: first * 2 ** (attempt - 1)


def memory(megabytes):
    """The resource `mem_mb`: so much at the first attempt."""
    return lambda wildcards, attempt: megabytes * attempt
