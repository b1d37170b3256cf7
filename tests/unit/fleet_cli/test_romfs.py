"""Names in a payload that a stranger may have made."""

from hypothesis import given
from hypothesis import strategies as st

from fleet_cli.release import romfs


@given(st.binary(max_size=80))
def test_any_bytes_are_files_or_a_told_mistake(body: bytes) -> None:
    try:
        found = romfs.files(b"\xd2\xcd\x31" + bytes([len(body)]) + body)
    except ValueError:
        return
    assert sum(size for _, size in found) <= len(body)
