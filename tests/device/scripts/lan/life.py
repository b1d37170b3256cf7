"""A LAN link that lives until its standard input ends; tells each change, and at last its lamp.

The first line of its input is the network document in hexadecimal. Arguments: "unset" the clock is
not set until another line comes; "quick" every deadline is a second or so; "flood" it publishes as
fast as it is allowed to, or "flood=2000" the same until so many are acknowledged; "from=65000" it
has given this packet id before it begins. A line "leave": it is not wanted any more.
"""

import asyncio
import gc
import select
import sys
import time
from binascii import unhexlify

import rig

from node.links import lan, mqtt

lan._LONGEST_PAUSE_MS = 400
lan._FIRST_PAUSE_MS = 200


class Watched(rig.Clock):
    def __init__(self, is_set):
        self.is_set = is_set


async def flood(link, until):
    """Publish numbers at QoS 1 without a pause, however often the connection is lost.

    until: so many in all, 0 for no end.
    """
    number = 0
    while not until or number < until:
        if link.up and link._session.publish(b"flood", b"%d" % number, time.ticks_ms()):
            number += 1
        else:
            await asyncio.sleep_ms(1)
    while link._session.acknowledged < link._session.published:
        await asyncio.sleep_ms(1)
    print("acknowledged", until, link.connections, "last id", link._session._last_id)


async def begin_at(link, number):
    """Let the session believe that it has given packet ids up to `number`."""
    while link._session is None:
        await asyncio.sleep_ms(1)
    link._session._last_id = number


async def main():
    document = unhexlify(sys.stdin.readline().strip())
    words = sys.argv[1:]
    if "quick" in words:
        mqtt._PING_MS = mqtt._PONG_MS = mqtt._CONNECTED_MS = 1000
        mqtt._ACKNOWLEDGED_MS = mqtt._STUCK_MS = mqtt._WHOLE_MS = 1500
    clock = Watched("unset" not in words)
    left = []
    link = rig.link(document, clock=clock, wanted=lambda: not left)
    lamp = rig.Lamp()
    tasks = [asyncio.create_task(lamp.run()), asyncio.create_task(link.run(rig.check_in))]
    for word in words:
        name, _, value = word.partition("=")
        if name == "flood":
            tasks.append(asyncio.create_task(flood(link, int(value or 0))))
        elif name == "from":
            tasks.append(asyncio.create_task(begin_at(link, int(value))))
    poll = select.poll()
    poll.register(sys.stdin, select.POLLIN)
    said = None
    while True:
        await asyncio.sleep_ms(20)
        state = f"down {link.reason}"
        if link.up:
            state = f"up {link.connections} {link._session.present}"
        if state != said:
            said = state
            print(state)
        if poll.poll(0):
            line = sys.stdin.readline()
            if not line:
                break
            if line.strip() == "leave":
                left.append(True)
            clock.is_set = True
    for task in tasks:
        task.cancel()
    await asyncio.sleep_ms(20)
    gc.collect()
    print("lamp", lamp)


asyncio.run(main())
