"""The choice among links, by a clock of its own; and the network document on flash."""

import os
import sys

from node.links.choice import SILENT_MS, STEADY_MS, Choice
from node.networkfile import NetworkFile
from protocol import cbor, network


def test_the_first_heard_is_chosen_and_the_console_is_none():
    told = []
    choice = Choice(told.append)
    choice.heard("console", 0)
    assert (choice.code, told) == (0, [])
    choice.heard("lan", 10)
    assert (choice.code, told) == (2, [2])
    assert choice.reason == "lan is the first that is heard"
    assert choice.heard_ago("lan", 5010) == 5
    assert choice.heard_ago("bus", 5010) is None


def test_a_preferred_link_is_taken_only_when_it_is_steady():
    told = []
    choice = Choice(told.append)
    choice.heard("lan", 0)
    for now in range(0, STEADY_MS, 5000):
        choice.heard("bus", now)
        choice.heard("lan", now)
        assert choice.code == 2
    choice.heard("bus", STEADY_MS)
    assert (choice.code, choice.reason) == (1, "bus is preferred and heard again")
    assert told == [2, 1]


def test_a_silent_link_is_left_for_one_that_is_heard():
    told = []
    choice = Choice(told.append)
    choice.heard("bus", 0)
    choice.heard("ble", 0)
    choice.heard("ble", SILENT_MS - 1)
    assert choice.code == 1
    choice.step(SILENT_MS)
    assert (choice.code, choice.reason) == (3, "bus was silent for 120 s")
    # One word after a silence is not a minute of them.
    choice.heard("bus", SILENT_MS + 1000)
    choice.heard("ble", SILENT_MS + 1000)
    choice.step(SILENT_MS + 2000)
    assert choice.code == 3
    assert told == [1, 3]


def test_with_none_heard_the_last_one_stays():
    choice = Choice()
    choice.heard("lan", 0)
    choice.step(10 * SILENT_MS)
    assert (choice.code, choice.reason) == (2, "no link is heard; lan was the last")


def test_a_flapping_preferred_link_is_not_followed():
    told = []
    choice = Choice(told.append)
    for now in range(0, 3_600_000, 10_000):
        choice.heard("lan", now)
        if now // 50_000 % 4 == 0:  # 50 s of every 200 s
            choice.heard("bus", now)
    assert told == [2] or told == [1, 2] or told == [2, 1, 2], told


def test_the_document_is_kept_whole_or_not_at_all(folder):
    path = folder + "/network.cbor"
    changes = []
    file = NetworkFile(path, lambda: changes.append(1))
    assert file.values is None
    assert file.reason == ""
    assert file.public() == b""
    document = network.document(
        "10.0.0.2", ssid="street", passphrase="lamplight", user="u", password="pw"
    )
    assert file.apply(document) == ""
    assert file.apply(document) == ""
    assert changes == [1]
    again = NetworkFile(path)
    assert again.values == file.values
    assert again.values["k"] == "lamplight"
    assert b"lamplight" not in again.public()
    assert b"pw" not in again.public()
    assert cbor.loads(again.public())["h"] == "10.0.0.2"
    for wrong in (b"", b"\xff", cbor.dumps({"h": ""}), bytes(2000), cbor.dumps([1])):
        assert again.apply(wrong) != ""
    assert NetworkFile(path).values == file.values
    with open(path, "rb") as flash:
        data = bytearray(flash.read())
    data[9] ^= 4
    with open(path, "wb") as flash:
        flash.write(data)
    rotten = NetworkFile(path)
    assert rotten.values is None
    assert "damaged" in rotten.reason
    assert rotten.apply(document) == ""
    assert rotten.reason == ""
    assert rotten.remove() == ""
    assert rotten.remove() == ""
    assert NetworkFile(path).values is None
    blocked = NetworkFile(folder + "/none/network.cbor")
    assert "flash refused" in blocked.apply(document)
    assert blocked.values is None
    assert "network.cbor" not in os.listdir(folder)


def main():
    names = sorted(name for name in globals() if name.startswith("test_"))
    for name in names:
        test = globals()[name]
        if name.endswith("not_at_all"):
            test(sys.argv[1])
        else:
            test()
    print("passed", len(names))


main()
