"""What the boot stage does with damage; prints one line per case."""

import os
import sys
import time

import bootstage
import esp32
import machine
from bench import BLOCK, Lamppost, Left, read, run, send, tell

folder = sys.argv[1]
factory = read(folder + "/flash.bin")


def start(post, cause=machine.PWRON_RESET):
    post.power_cycle(cause)
    post.boot()
    assert post.lamp, "the lamp is dark"
    return post.started


def show(case, post):
    if post.held:
        tell(case, "| held, lamp", post.lamp)
        return
    version, boot = post.started
    tell(case, "|", version, "trial" if boot.trial else "confirmed", "|", boot.reverted)


def with_both(confirm=True):
    """A lamppost with v1 in slot 0, v2 in slot 1, confirmed or only pending."""
    post = Lamppost(factory)
    post.boot()
    manager = post.manager()
    run(send(manager, read(folder + "/v2.img")))
    run(manager.set_state(manager.image_state()["images"][1]["hash"], False))
    if confirm:
        start(post)
        post.manager().confirm()
    return post


def flip(path):
    data = bytearray(read(path))
    data[len(data) // 2] ^= 0x40
    with open(path, "wb") as file:
        file.write(data)


def crash(version, boot):
    raise RuntimeError("no lamp")


post = Lamppost(factory)
start(post)
show("factory", post)

post = with_both(confirm=False)
flip("/flash/slot1/node/app.mpy")
start(post)
show("pending slot altered", post)

post = with_both(confirm=False)
start(post)
show("trial", post)
start(post, machine.WDT_RESET)
show("trial ends by watchdog", post)
start(post)
show("after that", post)

post = with_both(confirm=False)
post.behave = lambda version, boot: crash(version, boot) if version == "2.0.0" else None
start(post)
start(post)
show("trial raises", post)

post = with_both()
flip("/flash/slot1/protocol/__init__.mpy")
start(post)
show("confirmed slot altered", post)

post = with_both()
os.remove("/flash/slot1/node/version.mpy")
start(post)
show("file missing", post)

post = with_both()
with open("/flash/slot1/node/app.py", "w") as file:
    file.write("def start(boot, observer): observer.application('evil', boot)")
start(post)
show("file added", post)

post = with_both()
flip("/flash/slot1/slot.json")
start(post)
show("slot.json altered", post)

post = with_both()
with open("/flash/slot1/slot.json", "w") as file:
    file.write('{"files": [')
start(post)
show("slot.json cut", post)

post = with_both()
flip("/flash/boot.json")
start(post)
show("state altered, NVS known", post)

post = with_both()
flip("/flash/boot.json")
esp32.kept.clear()
start(post)
show("state altered, NVS erased", post)
tell("  counter", post.started[1].security_counter())

post = with_both()
os.remove("/flash/boot.json")
start(post)
show("state lost", post)

post = with_both()
post.behave = lambda version, boot: crash(version, boot) if version == "2.0.0" else None
for _ in range(4):
    start(post)
assert post.started[0] == "2.0.0"
start(post)
start(post)
show("confirmed raises 5 times", post)

post = with_both()
for _ in range(4):
    start(post, machine.WDT_RESET)
assert post.started[0] == "2.0.0"
start(post, machine.WDT_RESET)
show("watchdog 5 times", post)

post = with_both(confirm=False)
start(post)
start(post, machine.WDT_RESET)
tell("told |", post.started[1].reverted_told)
post.started[1].tell_reverted()
for _ in range(5):
    start(post, machine.WDT_RESET)
show("watchdog 5 times, other reverted", post)
tell("told |", post.started[1].reverted_told)

post = Lamppost(factory)
post.boot()
run(send(post.manager(), read(folder + "/v2.img")))
for _ in range(5):
    start(post, machine.WDT_RESET)
show("watchdog 5 times, other never tried", post)
start(post, machine.WDT_RESET)
show("its only trial", post)

post = Lamppost(factory)
post.boot()
manager = post.manager()
run(send(manager, read(folder + "/hang.img")))
run(manager.set_state(manager.image_state()["images"][1]["hash"], False))
start(post)
tell("trial hangs while it is imported | watchdog", post.bitten)
start(post, machine.WDT_RESET)
show("after the watchdog", post)

post = with_both()
post.behave = crash
seen = []
for _ in range(11):
    start(post)
    seen.append(post.started[0][0])
tell("both raise |", "".join(seen))

post = with_both()
flip("/flash/slot0/node/app.mpy")
flip("/flash/slot1/node/app.mpy")
start(post)
show("both altered", post)

post = Lamppost(factory)
start(post)
identity_file = read("/flash/identity.cbor")
post.manager()  # keeps the copy in NVS
before = bytes(post.flash.data)
post.flash.data[: 2 * BLOCK] = bytes(2 * BLOCK)
ruined = bytes(post.flash.data)
start(post)
show("no littlefs", post)
tell("  written", post.flash.writes, post.flash.data == ruined)
post.flash.data[:] = before
start(post)
show("read well again", post)


def spoilt(seconds, answer):
    """Power up while reads are spoilt for some seconds: `answer` fills the buffer."""
    post.power_cycle()
    until = time.waited_ms + seconds * 1000
    whole = post.flash.readblocks

    def readblocks(block, buf, off=0):
        if time.waited_ms < until:
            return answer(buf)
        return whole(block, buf, off)

    post.flash.readblocks = readblocks
    machine.max_feeds = 4000
    post.boot()
    machine.max_feeds = 4


def all_ones(buf):
    buf[:] = b"\xff" * len(buf)
    return 0


spoilt(1, lambda buf: -5)
show("reads fail for 1 s", post)
spoilt(3000, lambda buf: -5)
show("reads fail for 50 min", post)
spoilt(3, all_ones)
show("reads as blank for 3 s", post)
tell("  all is there", read("/flash/identity.cbor") == identity_file)

for name, byte in (("erased", b"\xff"), ("zeroed", b"\0")):
    post.flash.data[:] = byte * len(post.flash.data)
    start(post)
    show("all of it " + name, post)
    tell("  identity", read("/flash/identity.cbor") == identity_file, os.listdir("/flash"))


class Dead:
    def readblocks(self, block, buf, off=0):
        raise OSError(5)

    def writeblocks(self, block, buf, off=0):
        raise OSError(5)

    def ioctl(self, op, arg):
        return {4: 48, 5: BLOCK, 6: -5}.get(op, 0)

    dead = False


post = Lamppost(factory)
post.flash = Dead()
post.boot()
show("dead flash", post)

post = Lamppost(factory)
start(post)
os.remove("/flash/identity.cbor")
try:
    post.manager()
    tell("identity found")
except ValueError as error:
    tell("identity |", error)

post = Lamppost(factory)
start(post)
post.manager()
os.remove("/flash/identity.cbor")
start(post)
post.manager()
tell("identity mended |", read("/flash/identity.cbor") == identity_file)

post = Lamppost(factory)
post.power_cycle()
dark = []


def no_lamp():
    dark.append(1)
    raise OSError("pin")


try:
    bootstage.start(post.flash, no_lamp, post)
except Left:
    tell("lamp fails |", len(dark), "time, still started", post.started[0])
