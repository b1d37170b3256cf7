"""The power goes at each write while a configuration or a seal's counter is replaced.

argv: "clean" or "torn", and the strides of `cuts.sweep`. Each is old or new afterwards, and whole.
"""

import sys

from cuts import prepared, sweep

from node.sealing import Replayed, Sealing
from node.settings import Settings
from protocol import configuration, envelope

NODE_ID = bytes(6)
KEYS = {1: bytes(16)}

PROGRAM = [[1, index, 10 * index] for index in range(10)]
OLD = configuration.document(1, {"lamp/default_level": 40, "lamp/program": PROGRAM})
NEW = configuration.document(2, {"lamp/default_level": 70, "lamp/program": PROGRAM[:5]})


def request(counter):
    return envelope.seal(KEYS[1], 1, NODE_ID, envelope.TO_NODE, counter, b"x")


def opened():
    settings = Settings("/f/configuration.cbor")
    assert settings.reason == ""
    return settings, Sealing("/f/counters.cbor", NODE_ID, KEYS)


def is_refused(sealing, counter):
    try:
        sealing.open(request(counter))
    except Replayed:
        return True
    return False


def life(promises):
    settings, sealing = opened()
    assert settings.apply(NEW) == ""
    promises["applied"] = True
    for _ in range(3):
        counter = sealing.lowest(1) + 5000
        sealing.open(request(counter))
        promises["used"] = counter


def check(promises):
    settings, sealing = opened()
    assert settings.document() in (OLD, NEW)
    if promises.get("applied"):
        assert settings.document() == NEW
    if "used" in promises:
        assert is_refused(sealing, promises["used"]), "accepted twice"
    assert settings.apply(NEW) == ""
    assert settings.version == 2
    promises["applied"] = True
    promises["used"] = sealing.lowest(1) + 20000
    sealing.open(request(promises["used"]))


def factory():
    assert Settings("/f/configuration.cbor").apply(OLD) == ""


sweep(prepared(16, factory), {}, life, check, sys.argv[1], *map(int, sys.argv[2:]))
