"""What a log does over its life: collecting, forgetting, overwriting, a full or failing flash."""

import os

import vfs
from blocks import Blocks, FakeClock, FakeNvs, format_and_mount, remount

from node import segments
from node.log import NodeLog
from node.lostlog import open_log
from protocol import records

NVS = FakeNvs()


def fresh(count=64):
    try:
        vfs.umount("/f")
    except OSError:
        pass
    blocks = Blocks(count)
    format_and_mount(blocks, "/f")
    return blocks


def collect(log, position=(0, 0), limit=200, acknowledge=False):
    """Everything from `position` on, as a gateway reads it."""
    found = []
    while True:
        epoch, first, bodies, _ = log.read(position[0], position[1], limit)
        if not bodies:
            return found
        found.extend(bodies)
        position = (epoch, first + len(bodies))
        if acknowledge and not log.acknowledge(epoch, position[1] - 1):
            raise AssertionError("acknowledgement refused")


def numbers(bodies):
    """The values of the EVENT records with code 1."""
    decoded = [records.decode(body) for body in bodies]
    return [values[1] for _, _, values in decoded if values[0] == 1]


def fill(log, first, last):
    for number in range(first, last):
        if not log.append(records.EVENT, 1, number):
            raise AssertionError(log.last_failure)


def reads_in_order_and_says_how_many_wait():
    fresh()
    log = NodeLog("/f/log", FakeClock(), NVS, None, 64 * 1024, 512)
    fill(log, 0, 300)
    assert numbers(collect(log)) == list(range(300))
    epoch, first, bodies, waiting = log.read(log.epoch, 100, 90)
    assert (epoch, first, len(bodies) + waiting) == (log.epoch, 100, 200)
    assert sum(len(body) + 1 for body in bodies) <= 90
    # A record that fits no limit still comes, one at a time.
    assert len(log.read(log.epoch, 0, 1)[2]) == 1
    assert log.read(log.epoch, 299, 1)[1:] == (299, [log.read(log.epoch, 299, 1)[2][0]], 0)
    assert log.read(log.epoch, 300, 99) == (log.epoch, 300, [], 0)
    for at in range(0, 300, 7):
        epoch, first, bodies, waiting = log.read(log.epoch, at, 60)
        assert (first, at + len(bodies) + waiting) == (at, 300), (at, len(bodies), waiting)


def a_reply_never_mixes_epochs():
    blocks = fresh()
    epochs = []
    for start in range(5):
        log = NodeLog("/f/log", FakeClock(), NVS, None, 64 * 1024, 512)
        epochs.append(log.epoch)
        fill(log, start * 30, start * 30 + 30)
        blocks = remount(blocks, "/f")
    log = NodeLog("/f/log", FakeClock(), NVS, None, 64 * 1024, 512)
    assert epochs == sorted(set(epochs))
    assert log.epoch > epochs[-1]
    assert numbers(collect(log)) == list(range(150))
    epoch, first, bodies, waiting = log.read(epochs[1], 0, 1024)
    assert (epoch, first, len(bodies), waiting) == (epochs[1], 0, 30, 90)


def acknowledged_segments_are_deleted_and_nothing_else():
    fresh()
    log = NodeLog("/f/log", FakeClock(), NVS, None, 64 * 1024, 512)
    fill(log, 0, 200)
    before = len(os.listdir("/f/log"))
    assert log.acknowledge(log.epoch, 99)
    assert len(os.listdir("/f/log")) < before
    assert numbers(collect(log, (log.epoch, 100))) == list(range(100, 200))
    assert not log.acknowledge(log.epoch, 200), "never written"
    assert not log.acknowledge(log.epoch + 1, 0), "never written"
    segments = len(os.listdir("/f/log")) - 2
    assert segments > 4
    assert log.acknowledge(log.epoch, 199)
    assert len(os.listdir("/f/log")) == segments, "two at once, so that the lamp does not wait"
    fill(log, 1000, 1001)
    assert len(os.listdir("/f/log")) == segments - 1, "the rest with what is appended"
    assert log.acknowledge(log.epoch, 200)
    for _ in range(segments):
        log.acknowledge(log.epoch, 200)
    assert sorted(os.listdir("/f/log")) == ["epoch", "tail"]
    fill(log, 200, 230)
    assert numbers(collect(log, (log.epoch, 201))) == list(range(200, 230))
    assert log.overwritten == 0


def with_a_gateway_there_no_segment_is_ever_written():
    fresh()
    log = NodeLog("/f/log", FakeClock(), NVS)
    for number in range(200):
        fill(log, number, number + 1)
        assert log.acknowledge(log.epoch, number)
    assert sorted(os.listdir("/f/log")) == ["epoch", "tail"]


def a_full_ring_drops_the_oldest_and_says_how_many():
    fresh()
    log = NodeLog("/f/log", FakeClock(), NVS, None, 4096, 512)
    fill(log, 0, 500)
    bodies = collect(log)
    kept = numbers(bodies)
    assert kept == list(range(kept[0], 500))
    assert 0 < kept[0] < 500
    lost = [values[1] for _, _, values in map(records.decode, bodies) if values[0] == 5]
    assert lost
    assert log.overwritten >= kept[0]
    size = sum(os.stat("/f/log/" + name)[6] for name in os.listdir("/f/log"))
    assert size <= 4096 + 128 + 8, size


def only_what_nobody_had_counts_as_overwritten():
    fresh()
    log = NodeLog("/f/log", FakeClock(), NVS, None, 4096, 512)
    fill(log, 0, 40)
    log.acknowledge(log.epoch, 9)
    while not log.overwritten:
        fill(log, 0, 1)
    first = log.read(0, 0, 1)[1]
    assert log.overwritten == first - 10, (log.overwritten, first)


def a_full_flash_costs_the_oldest_records_only():
    fresh(16)
    log = NodeLog("/f/log", FakeClock(), NVS, None, 1 << 20, 4096)
    fill(log, 0, 4000)
    kept = numbers(collect(log))
    assert kept
    assert kept == list(range(kept[0], 4000))
    assert log.overwritten
    assert log.failures == 0


def a_failing_flash_is_counted_and_never_raises():
    blocks = fresh()
    log = NodeLog("/f/log", FakeClock(), NVS, None, 64 * 1024, 512)
    fill(log, 0, 50)
    blocks.failing = True
    for _ in range(10):
        assert log.append(records.EVENT, 1, 50) is False
    assert log.failures == 10
    assert log.last_failure
    assert log.overwritten == 0, "an error of the part is no reason to forget"
    blocks.failing = False
    fill(log, 50, 100)
    bodies = collect(log)
    assert numbers(bodies) == list(range(100))
    told = [values[1] for _, _, values in map(records.decode, bodies) if values[0] == 17]
    assert told == [10], "what could not be written is told, once"
    assert log.next_seq == 101


def values_out_of_bounds_are_brought_in_and_nonsense_is_counted():
    fresh()
    log = NodeLog("/f/log", FakeClock(), NVS)
    assert log.append(records.LAMP, 400, 1, -5)
    assert records.decode(log.read(0, 0, 99)[2][0])[2] == (100, 1, 0)
    for bad in ((99, 1), (records.LAMP, None, 1, 2), (records.LAMP, 1), (records.LAMP, "a", 1, 2)):
        assert log.append(*bad) is False
    assert log.failures == 4
    assert log.next_seq == 1


def epochs_survive_the_loss_of_either_copy():
    blocks = fresh()
    nvs = FakeNvs()
    log = NodeLog("/f/log", FakeClock(), nvs)
    fill(log, 0, 3)
    seen = log.epoch
    nvs.values.clear()
    blocks = remount(blocks, "/f")
    log = NodeLog("/f/log", FakeClock(), nvs)
    assert log.epoch == seen + 1
    os.remove("/f/log/epoch")
    os.remove("/f/log/tail")
    log = NodeLog("/f/log", FakeClock(), nvs)
    assert log.epoch == seen + 2
    with open("/f/log/epoch", "wb") as file:
        file.write(b"\xff" * 8)
    nvs.values.clear()
    fill(log, 0, 1)
    log = NodeLog("/f/log", FakeClock(), nvs)
    assert log.epoch == seen + 3, "the records themselves carry it"


def a_rotten_record_costs_itself_alone():
    blocks = fresh()
    log = NodeLog("/f/log", FakeClock(), NVS, None, 64 * 1024, 512)
    fill(log, 0, 60)
    name = sorted(name for name in os.listdir("/f/log") if len(name) == 8)[1]
    with open("/f/log/" + name, "rb") as file:
        data = bytearray(file.read())
    data[26 + 6 + 4] ^= 0x40  # in the body of its first record
    with open("/f/log/" + name, "wb") as file:
        file.write(data)
    blocks = remount(blocks, "/f")
    log = NodeLog("/f/log", FakeClock(), NVS, None, 64 * 1024, 512)
    assert len(numbers(collect(log))) == 59
    assert log.damaged
    assert numbers(collect(log, acknowledge=True))[-1] == 59
    fill(log, 60, 70)
    assert numbers(collect(log, (log.epoch, 0))) == list(range(60, 70))


def a_rotten_segment_holds_up_nothing():
    blocks = fresh()
    log = NodeLog("/f/log", FakeClock(), NVS, None, 64 * 1024, 512)
    fill(log, 0, 200)
    names = sorted(name for name in os.listdir("/f/log") if len(name) == 8)
    for index, junk in ((1, b"\xff" * 300), (3, b""), (4, bytes(500))):
        with open("/f/log/" + names[index], "wb") as file:
            file.write(junk)
    blocks = remount(blocks, "/f")
    log = NodeLog("/f/log", FakeClock(), NVS, None, 64 * 1024, 512)
    fill(log, 200, 210)
    kept = numbers(collect(log, acknowledge=True))
    assert kept == sorted(kept)
    assert 60 < len(kept) < 210
    assert kept[-1] == 209
    # The first and the third lost segment hold nothing that looks like a record.
    assert log.overwritten == 0
    assert sorted(os.listdir("/f/log")) == ["epoch", "tail"]


def a_segment_that_reads_wrongly_once_is_kept_and_one_that_stays_so_is_counted():
    blocks = fresh()
    log = NodeLog("/f/log", FakeClock(), NVS, None, 64 * 1024, 512)
    fill(log, 0, 200)
    parse, asked = segments.parse_header, []

    def once_wrong(data):
        asked.append(1)
        return None if len(asked) == 2 else parse(data)

    segments.parse_header = once_wrong
    log = NodeLog("/f/log", FakeClock(), NVS, None, 64 * 1024, 512)
    segments.parse_header = parse
    assert numbers(collect(log)) == list(range(200))
    assert (log.overwritten, log.damaged) == (0, 0)
    name = sorted(name for name in os.listdir("/f/log") if len(name) == 8)[1]
    with open("/f/log/" + name, "rb") as file:
        data = bytearray(file.read())
    data[3] ^= 1
    with open("/f/log/" + name, "wb") as file:
        file.write(data)
    remount(blocks, "/f")
    log = NodeLog("/f/log", FakeClock(), NVS, None, 64 * 1024, 512)
    lost = 200 - len(numbers(collect(log)))
    assert lost > 10
    assert log.overwritten == lost, (log.overwritten, lost)
    fill(log, 200, 201)
    told = [values for _, _, values in map(records.decode, collect(log)) if values[0] == 5]
    assert told == [(records.EVENT_LOG_OVERWRITTEN, lost)]


def with_no_memory_left_an_append_is_counted_and_does_not_raise():
    fresh()
    log = NodeLog("/f/log", FakeClock(), NVS)
    encode = records.encode
    for error in (MemoryError, RuntimeError, AttributeError):

        def fail(*_values, error=error):
            raise error("allocation failed")

        records.encode = fail
        try:
            assert log.append(records.EVENT, 1, 1) is False
        finally:
            records.encode = encode
    assert log.failures == 3
    assert "allocation" in log.last_failure
    fill(log, 0, 1)
    told = [values for _, _, values in map(records.decode, collect(log))]
    assert told == [(1, 0), (records.EVENT_LOG_FAILED, 1)], told


def epochs_never_go_back_when_nothing_takes_the_next_one():
    blocks = fresh()
    os.mkdir("/f/log")
    nvs = FakeNvs()
    nvs.values["log_epoch"] = 41

    def refuse(key, value):
        raise OSError(-4357)

    nvs.set_i32 = refuse
    blocks.failing = True
    log = NodeLog("/f/log", FakeClock(), nvs)
    blocks.failing = False
    assert log.epoch == 42, log.epoch


def a_log_that_has_no_folder_ends_nothing():
    blocks = fresh()
    nvs = FakeNvs()
    nvs.values["log_epoch"] = 41
    blocks.failing = True
    log = open_log("/f/log", FakeClock(), nvs)
    assert log.append(records.EVENT, 1, 1) is False
    assert log.append(records.LAMP, None) is False
    assert log.read(0, 0, 99) == (42, 0, [], 0)
    assert log.acknowledge(42, 0) is False
    assert (log.epoch, log.next_seq, log.overwritten, log.failures) == (42, 0, 2, 3)
    assert "folder" in log.last_failure
    blocks.failing = False
    assert open_log("/f/log", FakeClock(), nvs).append(records.EVENT, 1, 1)


count = 0
for name, value in sorted(globals().items(), key=lambda item: item[0]):
    if callable(value) and name.startswith(
        ("reads", "a_", "acknowledged", "with_", "only", "values", "epochs")
    ):
        print(name)
        value()
        count += 1
print("passed", count)
