import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware.node.drivers import vl53l1x


def test_the_configuration_fills_registers_2d_to_87() -> None:
    assert len(vl53l1x.CONFIGURATION) == 0x87 - 0x2D + 1
    at = {0x2D + index: value for index, value in enumerate(vl53l1x.CONFIGURATION)}
    assert (at[0x46], at[0x5E], at[0x5F], at[0x7F], at[0x80]) == (0x20, 0x01, 0xCC, 0xC7, 0xFF)
    assert at[0x87] == 0  # not ranging yet


def test_a_result_reads_as_the_ultra_lite_driver_reads_it() -> None:
    block = bytearray(17)
    block[0] = 0xE9  # upper bits are not the status
    block[3] = 128
    block[7:9] = b"\x00\x14"
    block[13:15] = b"\x05\x14"
    block[15:17] = b"\x01\x00"
    assert vl53l1x.parse_result(bytes(block)) == (vl53l1x.VALID, 1300, 2048, 160, 128)


def test_statuses_are_those_of_st() -> None:
    def status(raw: int) -> int:
        return vl53l1x.parse_result(bytes((raw,)) + bytes(16))[0]

    assert [status(raw) for raw in (9, 6, 4, 7)] == [
        vl53l1x.VALID,
        vl53l1x.SIGMA_FAIL,
        vl53l1x.SIGNAL_FAIL,
        vl53l1x.WRAP_TARGET,
    ]
    assert [status(raw) for raw in (0, 24, 31)] == [255, 255, 255]


@given(st.binary(max_size=40))
def test_any_bytes_are_a_result_or_refused(data: bytes) -> None:
    if len(data) == 17:
        status, distance, signal, ambient, spads = vl53l1x.parse_result(data)
        assert 0 <= status <= 255
        assert min(distance, signal, ambient, spads) >= 0
    else:
        with pytest.raises(ValueError, match="expected 17 bytes"):
            vl53l1x.parse_result(data)


def test_a_region_of_interest_has_4_to_16_spads_a_side() -> None:
    assert vl53l1x.roi_size(8, 16) == 0xF7
    assert vl53l1x.roi_size(16, 16) == 0xFF
    for width, height in ((3, 16), (8, 17), (0, 0)):
        with pytest.raises(ValueError, match="expected 4 to 16"):
            vl53l1x.roi_size(width, height)
