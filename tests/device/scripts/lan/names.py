"""The resolver: its packets, hostile answers, and a name server that is real, silent or wrong."""

import asyncio
import socket

import rig

from node.links import lanwire
from node.links.lanwire import answer, is_literal, question, resolve
from node.links.mqtt import Lost

lanwire._ANSWER_MS = 150

QUESTION = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x04lamp\x04city\x00\x00\x01\x00\x01"
# With an alias before the address, and its names as pointers.
ANSWER = (
    b"\x12\x34\x81\x80\x00\x01\x00\x02\x00\x00\x00\x00\x04lamp\x04city\x00\x00\x01\x00\x01"
    b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x04\x01a\xc0\x11"
    b"\xc0\x1f\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x0a\x00\x00\x07"
)


def test_literals():
    for host in ("10.0.0.7", "255.255.255.255", "0.0.0.0"):
        assert is_literal(host), host
    for host in ("lamp.city", "10.0.0", "10.0.0.256", "10.0.0.7.9", "", "a.b.c.d", "1..2.3"):
        assert not is_literal(host), host


def test_packets():
    assert question(0x1234, "lamp.city") == QUESTION
    assert question(0x1234, "lamp.city.") == QUESTION
    assert answer(ANSWER, 0x1234) == "10.0.0.7"
    assert answer(ANSWER, 0x1235) is None
    assert answer(QUESTION, 0x1234) is None
    for name in ("", "a..b", "x" * 64 + ".city"):
        try:
            question(1, name)
        except ValueError:
            continue
        raise AssertionError(name)


def test_any_answer():
    state = 5
    wrong = 0
    for turn in range(4000):
        data = bytearray(ANSWER)
        for _ in range(1 + turn % 5):
            state = state * 48271 % 0x7FFFFFFF
            data[2 + state % (len(data) - 2)] = state >> 8 & 0xFF
        state = state * 48271 % 0x7FFFFFFF
        try:
            found = answer(bytes(data[: state % (len(data) + 1)]), 0x1234)
        except (ValueError, IndexError):
            wrong += 1
            continue
        assert found is None or is_literal(found), found
    assert wrong > 500, wrong


async def test_resolving():
    lamp = rig.Lamp(10)
    lighting = asyncio.create_task(lamp.run())
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(socket.getaddrinfo("127.0.0.1", 0)[0][-1])
    server.setblocking(False)
    port = None
    for number in range(20000, 20100):
        try:
            server.close()
            server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            server.bind(socket.getaddrinfo("127.0.0.1", number)[0][-1])
            server.setblocking(False)
            port = number
            break
        except OSError:
            continue
    behave = ["silent"]

    async def serve():
        while True:
            await asyncio.sleep_ms(5)
            try:
                data, who = server.recvfrom(512)
            except OSError:
                continue
            if behave[0] == "good":
                server.sendto(b"noise", who)
                server.sendto(ANSWER, who)  # of another question
                server.sendto(data[:2] + ANSWER[2:], who)
            elif behave[0] == "second" and len(asked) == 0:
                asked.append(1)
            elif behave[0] == "second":
                server.sendto(data[:2] + ANSWER[2:], who)
            elif behave[0] == "none":
                server.sendto(data[:2] + b"\x81\x83" + ANSWER[4:], who)
            elif behave[0] == "short":
                server.sendto(data[:2] + ANSWER[2:30], who)

    asked = []
    serving = asyncio.create_task(serve())
    for how in ("good", "second", "none", "short", "silent"):
        behave[0] = how
        try:
            print(how, await resolve("lamp.city", "127.0.0.1", port))
        except Lost as error:
            print(how, error)
    try:
        await resolve("lamp.city", "")
    except Lost as error:
        print("nobody", error)
    serving.cancel()
    lighting.cancel()
    assert lamp.steps > 20, lamp


def main():
    test_literals()
    test_packets()
    test_any_answer()
    asyncio.run(test_resolving())


main()
