"""The simulated chip's modules behave as those of an ESP32, under the real MicroPython."""

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from simulators import chiprom
from simulators.node_process import ChipState, ResetCause, cpu_seconds
from simulators.parts import NoAcknowledge
from simulators.tools import Interpreter
from tests.unit.simulators.chip_bench import NODE, Bench, Echo, chip_bench


@pytest.fixture
async def bench(tmp_path: Path, micropython: Interpreter) -> AsyncIterator[Bench]:
    async with chip_bench(tmp_path, micropython) as made:
        yield made


async def test_outputs_are_told_and_impossible_duties_refused(bench: Bench) -> None:
    lines = await bench.run("""
        board_on()
        pwm = machine.PWM(machine.Pin(4), freq=1000, duty_u16=65535)
        pwm.duty_u16(1234)
        for duty in (-1, 65536):
            try:
                pwm.duty_u16(duty)
            except ValueError as error:
                print(error)
        print(pwm.duty_u16(), machine.unique_id().hex())
        print("done")
        time.sleep(60)
    """)
    assert lines[:2] == ["duty must be between 0 and 65535"] * 2
    assert lines[2] == f"1234 {NODE}"
    assert await bench.said("pin") == [5, 1]
    assert [m["pwm"] for m in bench.messages if "pwm" in m] == [
        [4, 1000, 65535],
        [4, 1000, 65535],
        [4, 1000, 1234],
    ]


async def test_an_input_pin_follows_the_street(bench: Bench) -> None:
    bench.program("""
        switch, loose = machine.Pin(6, machine.Pin.IN), machine.Pin(7, pull=machine.Pin.PULL_UP)
        print(switch.value(), loose.value())
        print("first")
        while switch.value():
            time.sleep_ms(5)
        print("closed")
        time.sleep(60)
    """)
    bench.chip.power_on()
    assert await bench.printed("first") == ["1 1"]
    bench.set_pin(6, 0)
    await bench.printed("closed")


async def test_asyncio_polls_the_uart_without_spinning(bench: Bench) -> None:
    ends: list[Echo] = []

    def uart(number: int, baud: int, send: Callable[[bytes], None]) -> Echo:
        assert (number, baud) == (1, 115200)
        ends.append(Echo(send))
        return ends[-1]

    bench.uart = uart
    bench.program("""
        port = machine.UART(1, 115200)
        async def main():
            reader, writer = asyncio.StreamReader(port), asyncio.StreamWriter(port, {})
            print("listening")
            print(await reader.read(100), port.any(), port.read(), port.read(5))
            writer.write(b"over to you")
            await writer.drain()
            buffer = bytearray(4)
            await asyncio.sleep_ms(100)
            print(port.any(), port.readinto(buffer), buffer, port.any(), port.read())
            print(port.readinto(buffer))
            print("done")
        asyncio.run(main())
        time.sleep(60)
    """)
    bench.chip.power_on()
    await bench.printed("listening")
    pid = bench.chip.pid
    assert pid is not None
    before = cpu_seconds(pid)
    await asyncio.sleep(1.0)
    assert cpu_seconds(pid) - before <= 0.1, "a task that waits for bytes takes no processor time"
    ends[0].send(b"hello")
    assert await bench.printed("done") == [
        "b'hello' 0 None None",
        "11 4 bytearray(b'over') 7 b' to you'",
        "None",
    ]
    assert ends[0].heard == b"over to you"


async def test_uart_knows_when_its_bytes_have_left(bench: Bench) -> None:
    lines = await bench.run("""
        port = machine.UART(1, 9600)
        started = time.ticks_ms()
        port.write(bytes(96))
        print(port.txdone())
        while not port.txdone():
            time.sleep_ms(1)
        print(time.ticks_diff(time.ticks_ms(), started) >= 95)
        print("done")
    """)
    assert lines == ["False", "True"]


class Memory:
    """An I2C part with 256 registers behind 16-bit addresses."""

    address = 0x29

    def __init__(self) -> None:
        self.registers = bytearray(range(256))
        self.answers = True
        self._at = 0

    def write(self, data: bytes) -> None:
        if not self.answers:
            raise NoAcknowledge
        (self._at,) = struct.unpack_from(">H", data)
        self.registers[self._at : self._at + len(data) - 2] = data[2:]

    def read(self, n: int) -> bytes:
        if not self.answers:
            raise NoAcknowledge
        found = bytes(self.registers[self._at : self._at + n])
        self._at += n
        return found


async def test_i2c_reads_and_writes_registers_and_misses_absent_parts(bench: Bench) -> None:
    part = Memory()
    bench.parts = [part]
    lines = await bench.run("""
        bus = machine.I2C(0, scl=machine.Pin(9), sda=machine.Pin(8), freq=400000)
        print(bus.scan(), bus.readfrom_mem(0x29, 0x10, 3, addrsize=16))
        bus.writeto_mem(0x29, 0x10, b"abc", addrsize=16)
        buffer = bytearray(4)
        bus.readfrom_mem_into(0x29, 0x0f, buffer, addrsize=16)
        print(buffer, bus.writeto(0x29, b"\\0\\x20"), bus.readfrom(0x29, 2))
        try:
            bus.readfrom(0x30, 1)
        except OSError as error:
            print(error.errno)
        print("done")
        time.sleep(60)
    """)
    assert lines == [
        "[41] b'\\x10\\x11\\x12'",
        "bytearray(b'\\x0fabc') 2 b' !'",
        "19",
    ]
    assert part.registers[0x10:0x13] == b"abc"


async def test_a_part_that_does_not_acknowledge_is_enodev(bench: Bench) -> None:
    part = Memory()
    part.answers = False
    bench.parts = [part]
    lines = await bench.run("""
        bus = machine.I2C(0)
        print(bus.scan())
        try:
            bus.readfrom_mem(0x29, 0, 1, addrsize=16)
        except OSError as error:
            print(error.errno)
        print("done")
    """)
    assert lines == ["[]", "19"]


async def test_clock_starts_in_2000_and_keeps_time_over_a_reset_but_not_a_power_cut(
    tmp_path: Path, micropython: Interpreter
) -> None:
    async with chip_bench(tmp_path, micropython, speed=100.0) as bench:
        bench.program("""
            clock = machine.RTC()
            print(machine.reset_cause(), time.gmtime()[0], clock.memory())
            clock.datetime((2026, 6, 1, 0, 12, 0, 0, 0))
            clock.memory(b"crumb")
            print("set")
            time.sleep_ms(50)
            machine.reset()
        """)
        bench.chip.power_on()
        first = await bench.printed("set")
        second = await bench.printed("set")
        await bench.chip.power_cut()
        bench.forget()
        bench.chip.power_on()
        third = await bench.printed("set")
    assert first == ["1 2000 b''"]
    assert second == ["2 2026 b'crumb'"]
    assert third == ["1 2000 b''"]
    assert bench.causes[:2] == [ResetCause.POWER_ON, ResetCause.HARD]


async def test_street_time_runs_at_its_speed_and_ticks_do_not(
    tmp_path: Path, micropython: Interpreter
) -> None:
    async with chip_bench(tmp_path, micropython, speed=1000.0) as bench:
        lines = await bench.run("""
            street, ticks = time.time_ns(), time.ticks_us()
            time.sleep_ms(200)
            ticks = time.ticks_diff(time.ticks_us(), ticks)
            street = (time.time_ns() - street) // 1000
            print(0.9 < street / ticks / 1000 < 1.1, len(time.gmtime()))
            print("done")
        """)
    assert lines == ["True 8"]


async def test_nvs_keeps_what_was_committed_and_names_what_is_missing(bench: Bench) -> None:
    lines = await bench.run("""
        store, buffer = esp32.NVS("lamp"), bytearray(4)
        try:
            print(store.get_blob("id", buffer), bytes(buffer), store.get_i32("n"))
        except OSError as error:
            print(error.args)
            store.set_blob("id", b"abcd")
            store.set_i32("n", -5)
            store.commit()
            store.set_i32("n", 7)
            machine.reset()
        for call in (lambda: store.get_blob("id", bytearray(3)), lambda: store.erase_key("x")):
            try:
                call()
            except OSError as error:
                print(error.args[0])
        print("done")
    """)
    assert lines == [
        "(-4354, 'ESP_ERR_NVS_NOT_FOUND')",
        "4 b'abcd' -5",
        "-4364",
        "-4354",
    ]


async def test_flash_clears_bits_only_until_it_is_erased(bench: Bench) -> None:
    lines = await bench.run("""
        print(flash.ioctl(4, 0), flash.ioctl(5, 0), flash.info()[3:5])
        flash.writeblocks(3, b"\\xf0\\x0f", 8)
        flash.writeblocks(3, b"\\x3c\\xff", 8)
        seen = bytearray(3)
        flash.readblocks(3, seen, 8)
        print(seen)
        flash.ioctl(6, 3)
        flash.readblocks(3, seen, 8)
        print(seen)
        print("done")
    """)
    assert lines == [
        "512 4096 (2097152, 'vfs')",
        "bytearray(b'0\\x0f\\xff')",
        "bytearray(b'\\xff\\xff\\xff')",
    ]


async def test_the_converter_reads_what_is_on_the_pin_now_to_twelve_bits(bench: Bench) -> None:
    bench.volts = {2: 1_000_000, 7: 9_000_000}
    lines = await bench.run(
        """
        we, ae = machine.ADC(machine.Pin(2), atten=machine.ADC.ATTN_11DB), machine.ADC(7)
        print(we.read_uv(), we.read_u16(), ae.read_uv(), ae.read_u16(), machine.ADC(4).read_uv())
        try:
            machine.ADC(21)
        except ValueError:
            print("no converter there")
        print("ready")
        while we.read_uv() > 500000:
            time.sleep_ms(1)
        print("done")
        time.sleep(60)
    """,
        until="ready",
    )
    assert lines == ["999267 21124 3100000 65535 0", "no converter there"]
    bench.volts = {2: 100_000}
    await bench.printed("done")


async def test_littlefs_lives_on_the_flash_over_a_power_cut(bench: Bench) -> None:
    source = """
        try:
            vfs.mount(vfs.VfsLfs2(flash), "/flash")
        except OSError:
            vfs.VfsLfs2.mkfs(flash)
            vfs.mount(vfs.VfsLfs2(flash), "/flash")
        try:
            with open("/flash/a") as file:
                print(file.read())
        except OSError:
            with open("/flash/a", "w") as file:
                file.write("kept")
        print("done")
        time.sleep(60)
    """
    assert await bench.run(source) == []
    await bench.chip.power_cut()
    assert bench.deaths == 1
    assert await bench.run(source) == ["kept"]


async def test_a_record_is_announced_to_the_ledger(bench: Bench) -> None:
    await bench.run("""
        observer.logged(4, 70000, b"\\x01\\xff")
        print("done")
        time.sleep(60)
    """)
    assert await bench.said("ledger") == [4, 70000, "01ff"]


async def test_a_chip_without_a_boot_stage_is_dead_not_restarted(bench: Bench) -> None:
    chiprom.burn(bench.chip.rom, boot_stage=False)
    bench.chip.power_on()
    await bench.chip.ended()
    assert bench.chip.state is ChipState.DEAD
    assert bench.causes == [ResetCause.POWER_ON]
    assert "bootstage" in bench.chip.files.errors.read_text()
