"""The configuration file: what is accepted, and what is said about the rest."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

import gateway
from gateway.config import load
from gateway.errors import ConfigurationError
from gateway.main import app, run_program
from gateway.program import program_version

GOOD = """
[gateway]
id = "cabinet-1"
data_dir = "/tmp/x"
[mqtt]
host = "localhost"
[bus.north]
port = "/dev/ttyAMA0"
[[lamppost]]
id = "a0b1c2d3e4f5"
name = "one"
bus = "north"
address = 1
key = "00112233445566778899aabbccddeeff"
key_id = 1
"""


def write(tmp_path: Path, text: str, mode: int = 0o600) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text(text)
    path.chmod(mode)
    return path


def with_data(folder: Path) -> str:
    return GOOD.replace("/tmp/x", str(folder / "data"))


def problems(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(write(tmp_path, text))
    return str(caught.value).replace(str(tmp_path / "gateway.toml"), "F")


def test_a_good_file_loads_with_defaults(tmp_path: Path) -> None:
    configuration, warnings = load(write(tmp_path, GOOD))
    assert configuration.bus["north"].baud == 115200
    assert configuration.lamppost[0].node == bytes.fromhex("a0b1c2d3e4f5")
    assert configuration.lamppost[0].key.get_secret_value()[:2] == b"\x00\x11"
    assert warnings == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "address = 1",
            "address = 300",
            "F: lamppost[0].address = 300: expected a bus address, 1 to 247; change the value",
        ),
        (
            'port = "/dev/ttyAMA0"',
            'port = "/dev/ttyAMA0"\nbaud = 1234',
            "F: bus.north.baud = 1234: expected one of 9600, 19200, 38400, 57600, 115200, 230400, "
            "460800, 921600; change the value",
        ),
        (
            'port = "/dev/ttyAMA0"',
            'port = "/dev/ttyAMA0"\nbuad = 9600',
            "F: bus.north.buad = 9600: expected one of port, baud, rs485, reply_timeout_ms, "
            "idle_poll_ms, attempts, silent_poll_max_s, discover, discover_every_s, "
            "uploads_at_once; did you mean baud?",
        ),
        ('host = "localhost"', "", "F: mqtt.host is missing: expected a host name or address"),
        (
            'id = "a0b1c2d3e4f5"',
            'id = "A0B1C2D3E4F5"',
            'F: lamppost[0].id = "A0B1C2D3E4F5": expected 12 lower-case hexadecimal characters',
        ),
        (
            'bus = "north"',
            'bus = "south"',
            'F: lamppost[0].bus = "south": expected one of: north; add [bus.south] or name an '
            "existing bus",
        ),
        (
            'id = "cabinet-1"',
            'id = "cabinet/+"',
            "F: gateway.id = \"cabinet/+\": expected a name of 1 to 48 letters, digits, '.', '_' "
            "or '-', not ingest, releases or rollouts",
        ),
        ('id = "cabinet-1"', 'id = "ingest"', 'F: gateway.id = "ingest": expected a name of'),
        ("[mqtt]", "[clock]\nsource='simulated'\n[mqtt]", "F: clock: a simulated clock needs"),
        ("[mqtt]", "[extra]\n[mqtt]", "F: extra = <section>: expected one of gateway, clock"),
    ],
)
def test_a_problem_names_key_value_expectation_and_remedy(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert message in problems(tmp_path, GOOD.replace(old, new, 1))


def test_a_wrong_key_is_never_shown(tmp_path: Path) -> None:
    text = problems(tmp_path, GOOD.replace("00112233", "0011223x"))
    assert "0011" not in text
    assert "lamppost[0].key = <hidden, 32 characters>: expected 32 hexadecimal characters" in text


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    bad = GOOD.replace("address = 1", "address = 0").replace("key_id = 1", "key_id = 0")
    assert len(problems(tmp_path, bad).splitlines()) == 2


def test_lampposts_may_not_share_id_name_or_address(tmp_path: Path) -> None:
    lamppost = GOOD[GOOD.index("[[lamppost]]") :]
    text = problems(tmp_path, GOOD + lamppost)
    assert 'lamppost[1].id = "a0b1c2d3e4f5": expected an id that no other lamppost has' in text
    assert 'lamppost[1].name = "one": expected a name that no other lamppost has' in text
    assert "lamppost[1].address = 1: expected an address on bus north that no other" in text
    assert "lamppost[0] has it too: change one of them" in text


def test_the_same_address_on_another_bus_is_fine(tmp_path: Path) -> None:
    lamppost = GOOD[GOOD.index("[[lamppost]]") :]
    other = lamppost.replace("a0b1", "a0b2").replace("north", "south").replace("one", "two")
    load(write(tmp_path, GOOD + other + '[bus.south]\nport = "/dev/ttyAMA1"\n'))


@pytest.mark.parametrize("text", ["[gateway", "\x00"])
def test_what_is_not_toml_is_said_to_be_so(tmp_path: Path, text: str) -> None:
    assert "is not TOML" in problems(tmp_path, text)


def test_a_file_others_can_read_is_warned_about(tmp_path: Path) -> None:
    _, warnings = load(write(tmp_path, GOOD, 0o644))
    assert len(warnings) == 1
    assert "chmod 600" in warnings[0]


def test_check_config_exit_codes(tmp_path: Path) -> None:
    runner = CliRunner()
    good = runner.invoke(app, ["check-config", str(write(tmp_path, with_data(tmp_path)))])
    assert good.exit_code == 0
    assert "good: gateway cabinet-1" in good.output
    bad = runner.invoke(app, ["check-config", str(write(tmp_path, "[gateway]"))])
    assert bad.exit_code == 2
    assert "mqtt is missing" in bad.output
    absent = runner.invoke(app, ["run", "--config", str(tmp_path / "none.toml")])
    assert absent.exit_code == 2
    assert "cannot be read (No such file or directory)" in absent.output


def test_a_section_that_is_no_section_is_told_how_to_write(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"expected a section; write it as \[log\]"):
        load(write(tmp_path, GOOD + "\n[[log]]\n"))


def test_the_example_is_good(tmp_path: Path) -> None:
    example = Path(gateway.__file__).parent / "gateway.example.toml"
    copy = tmp_path / "gateway.toml"
    shutil.copy(example, copy)
    copy.chmod(0o600)
    configuration, _ = load(copy)
    assert configuration.bus["north"].rs485


def test_check_config_refuses_a_data_folder_that_cannot_be_made(tmp_path: Path) -> None:
    taken = tmp_path / "file"
    taken.write_text("")
    file = write(tmp_path, GOOD.replace("/tmp/x", f"{taken}/data"))
    result = CliRunner().invoke(app, ["check-config", str(file)])
    assert result.exit_code == 2
    assert result.output.strip() == (
        f'{file}: gateway.data_dir = "{taken}/data": expected a folder this user can make and '
        f"write, but {taken} is not a folder; make it so, or check as the user the gateway runs as"
    )


def test_check_config_refuses_a_database_it_could_not_write(tmp_path: Path) -> None:
    (tmp_path / "data" / "gateway.db").mkdir(parents=True)
    file = write(tmp_path, with_data(tmp_path))
    result = CliRunner().invoke(app, ["check-config", str(file)])
    assert result.exit_code == 2
    assert "gateway.db is not a file this user can read and write" in result.output


def test_check_config_makes_nothing(tmp_path: Path) -> None:
    file = write(tmp_path, with_data(tmp_path / "not" / "yet"))
    assert CliRunner().invoke(app, ["check-config", str(file)]).exit_code == 0
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (["walk"], "lamplighter-gateway"),
        (["run", "now"], "lamplighter-gateway run"),
        (["run", "--speed", "3"], "lamplighter-gateway run"),
        (["check-config", "a", "b"], "lamplighter-gateway check-config"),
    ],
)
def test_a_usage_error_is_one_line_that_names_the_help(
    arguments: list[str], path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_program(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("lamplighter-gateway: ")
    assert said.err.endswith((f". See: {path} --help\n", f"? See: {path} --help\n"))
    assert said.err.count("\n") == 1


def test_exit_codes_survive_the_one_line(tmp_path: Path) -> None:
    assert run_program(["check-config", str(write(tmp_path, with_data(tmp_path)))]) == 0
    assert run_program(["check-config", str(tmp_path / "none.toml")]) == 2


def test_the_version_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_program(["--version"]) == 0
    assert capsys.readouterr().out == f"lamplighter-gateway {program_version()}\n"


LAN = '[lan]\naddress = "192.168.4.1"\n'


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "address = 1\n",
            "",
            "lamppost[0]: expected bus and address together, or neither",
        ),
        (
            'bus = "north"\naddress = 1\n',
            "",
            "lamppost[0]: expected a link to it: bus and ",
        ),
        ("address = 1\n", "address = 1\nlan = true\n", "lamppost[0].lan = True: expected a [lan] "),
        ("address = 1\n", "address = 1\nble = true\n", "lamppost[0].ble = True: expected a [ble] "),
        (
            "address = 1\n",
            'address = 1\nble_address = "A0:B1:C2:D3:E4:F7"\n',
            "lamppost[0]: expected ble = true beside ble_address",
        ),
        (
            "address = 1\n",
            'address = 1\nble = true\nble_address = "A0-B1"\n',
            'lamppost[0].ble_address = "A0-B1": expected its Bluetooth address',
        ),
        ("[[lamppost]]", "[ble]\nadapters = []\n[[lamppost]]", "expected 1 to 8 adapter names"),
        (
            "[[lamppost]]",
            '[ble]\nadapters = ["hci0", "hci0"]\n[[lamppost]]',
            "ble: expected each adapter once",
        ),
        (
            "[[lamppost]]",
            LAN + "port = 1884\n[[lamppost]]",
            "lan: expected local_port to be ",
        ),
        ("[[lamppost]]", '[lan]\naddress = "0.0.0.0"\n[[lamppost]]', "lan: expected host beside "),
        ("[[lamppost]]", '[lan]\naddress = "cabinet"\n[[lamppost]]', 'lan.address = "cabinet": '),
        ("[[lamppost]]", '[lan]\nadress = "1.2.3.4"\n[[lamppost]]', "did you mean address?"),
        ("[[lamppost]]", LAN + 'local_user = "a0b1c2d3e4f5"\n[[lamppost]]', "that is no node id"),
        (
            "[[lamppost]]",
            LAN + f'ssid = "{"ä" * 17}"\n[[lamppost]]',
            "expected the name of the Wi-Fi",
        ),
        ("[[lamppost]]", LAN + 'passphrase_file = "x"\n[[lamppost]]', "lan: expected ssid beside "),
        ('"00112233', '"00 12233', "lamppost[0].key = <hidden, 32 characters>: expected 32 "),
    ],
)
def test_what_a_link_needs_is_said(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    assert message in problems(tmp_path, GOOD.replace(old, new))


def test_a_gateway_may_have_the_local_network_alone_but_not_no_link(tmp_path: Path) -> None:
    bus = '[bus.north]\nport = "/dev/ttyAMA0"\n'
    post = GOOD.replace(bus, "").replace('bus = "north"\naddress = 1', "lan = true")
    configuration, _ = load(write(tmp_path, post + LAN))
    assert configuration.bus == {}
    assert configuration.lan is not None
    assert configuration.lan.reached_under == "192.168.4.1"
    text = problems(tmp_path, post.replace("lan = true", 'bus = "north"\naddress = 1'))
    assert "bus is missing: expected a [bus.<name>], [lan] or [ble]; add it" in text


def test_a_gateway_may_have_bluetooth_alone(tmp_path: Path) -> None:
    text = GOOD.replace('[bus.north]\nport = "/dev/ttyAMA0"\n', "[ble]\n")
    configuration, _ = load(
        write(tmp_path, text.replace('bus = "north"\naddress = 1', "ble = true"))
    )
    assert configuration.ble is not None
    assert configuration.ble.adapters == ("hci0",)
    assert (configuration.ble.connections, configuration.ble.silence_s) == (3, 90)
