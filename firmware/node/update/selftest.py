"""The self-test that a release names: what has to be well before it is kept.

A release says in its `node/version.py` which checks it wants, as "lamp,log,bus". All but "log" are
tasks of the supervisor. What a board has not, or a configuration does not use, is not asked of it,
but for the lamp; a sensor is best left out, since a dead one must not keep a lamppost from being
updated.
"""

# As the supervisor's tasks are called. "link": any of the gateway's.
CHECKS = (
    "lamp", "log", "link", "bus", "lan", "ble", "console", "energy", "air", "people", "status",
)  # fmt: skip
DEFAULT = "lamp,log,bus"


def unknown(names: str) -> str:
    """The first of the names that is no check of ours, "" when all are."""
    for name in names.split(","):
        if name not in CHECKS:
            return name
    return ""


def run(names: str, supervisor, log) -> str:
    """What is not well of the checks in `names`, "" when all are."""
    for name in names.split(","):
        problem = ""
        if name not in CHECKS:
            problem = "this release knows no check %s" % name
        elif name == "log":
            if log.next_seq == 0:
                problem = "the log cannot be written (%s)" % log.last_failure
        elif name == "link":
            links = [task for task in ("bus", "lan", "ble") if supervisor.has(task)]
            if links and not any(supervisor.is_well(task) for task in links):
                problem = "none of the links %s is served" % ", ".join(links)
        elif (name == "lamp" or supervisor.has(name)) and not supervisor.is_well(name):
            problem = "the task %s does not run" % name
        if problem:
            return problem
    return ""
