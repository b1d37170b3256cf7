"""The power goes at every write while a configuration or a counter is replaced: old or new, whole.

argv: "clean" or "torn". Prints how many cuts there were.
"""

import sys

import vfs
from blocks import Blocks, Cut, format_and_mount, remount

from node.sealing import Replayed, Sealing
from node.settings import Settings
from protocol import configuration, envelope

TORN = sys.argv[1] == "torn"
NODE_ID = bytes(6)
KEYS = {1: bytes(16)}

PROGRAM = [[1, index, 10 * index] for index in range(10)]
OLD = configuration.document(1, {"lamp/default_level": 40, "lamp/program": PROGRAM})
NEW = configuration.document(2, {"lamp/default_level": 70, "lamp/program": PROGRAM[:5]})


def request(counter):
    return envelope.seal(KEYS[1], 1, NODE_ID, envelope.TO_NODE, counter, b"x")


def life(told):
    settings = Settings("/f/configuration.cbor")
    if settings.apply(NEW) == "":
        told.append("applied")
    sealing = Sealing("/f/counters.cbor", NODE_ID, KEYS)
    for counter in (5000, 7000, 9000):
        sealing.open(request(counter))
        told.append(counter)


def prepared():
    blocks = Blocks(16)
    format_and_mount(blocks, "/f")
    assert Settings("/f/configuration.cbor").apply(OLD) == ""
    vfs.umount("/f")
    return blocks.data


def attempt(base, left):
    blocks = Blocks(16, base)
    vfs.mount(vfs.VfsLfs2(blocks), "/f")
    blocks.left = left
    blocks.torn = TORN
    told = []
    cut = False
    try:
        life(told)
    except Cut:
        cut = True
    blocks = remount(blocks, "/f")
    settings = Settings("/f/configuration.cbor")
    assert settings.reason == ""
    assert settings.document() in (OLD, NEW)
    if "applied" in told:
        assert settings.document() == NEW
    sealing = Sealing("/f/counters.cbor", NODE_ID, KEYS)
    for counter in told:
        if counter != "applied":
            try:
                sealing.open(request(counter))
            except Replayed:
                continue
            raise AssertionError("accepted twice", counter)
    assert settings.apply(NEW) == ""
    assert settings.version == 2
    sealing.open(request(20000))
    vfs.umount("/f")
    return cut


base = prepared()
cuts = 0
while attempt(base, cuts):
    cuts += 1
print("cut points", cuts)
