"""The command line as such: help, documentation, exit codes, settings, releases."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from firmware.build.image import romfs_of
from fleet_cli import main, settings
from fleet_cli.errors import EXIT_CODES, BadInput

DOCUMENTATION = Path(main.__file__).parent / "README.md"


def commands(group: Any, path: str = "lamplighter") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, command in getattr(group, "commands", {}).items():
        found[f"{path} {name}"] = command
        found |= commands(command, f"{path} {name}")
    return found


COMMANDS = commands(get_command(main.build()))
LEAVES = {path: command for path, command in COMMANDS.items() if not hasattr(command, "commands")}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("path", LEAVES)
def test_every_command_has_help_an_example_and_a_place_in_the_documentation(path: str) -> None:
    text = LEAVES[path].help
    assert text.split("\n")[0].strip()
    assert re.search(rf"^{path}\b", text, re.MULTILINE), "no example"
    assert f"### `{path}" in DOCUMENTATION.read_text()
    # Help is indented by a column; what is longer breaks in the middle of a command to copy.
    assert [line for line in text.split("\n") if len(line) > 78] == []


@pytest.mark.parametrize("path", LEAVES)
def test_every_option_of_every_command_has_help_and_each_command_speaks_json(path: str) -> None:
    options = {name: item for item in LEAVES[path].params for name in item.opts}
    assert all(getattr(item, "help", None) for item in options.values())
    assert "--json" in options


def test_documentation_names_no_command_that_is_not_there() -> None:
    named = re.findall(r"^### `(lamplighter [a-z ]*[a-z])", DOCUMENTATION.read_text(), re.MULTILINE)
    assert sorted(named) == sorted(LEAVES)


def test_help_and_documentation_list_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["--help"]) == 0
    shown = capsys.readouterr().out
    for code, meaning in EXIT_CODES.items():
        assert re.search(rf"^ {code}  {meaning} *$", shown, re.MULTILINE)
        assert f"| {code} | {meaning} |" in DOCUMENTATION.read_text()


@pytest.mark.parametrize(
    "arguments",
    [
        ["config", "validate"],
        ["config", "validate", "/nowhere.toml"],
        ["fleet", "list", "--nonsense"],
        ["nonsense"],
        ["lamp", "set", "--all"],
        ["lamp", "set", "--all", "--level", "101"],
        ["lamp", "set", "--all", "--level", "50", "--for", "1y"],
        ["fleet", "list", "-l", "colour=red"],
        ["--port", "0", "fleet", "list"],
        ["--settings", "/nowhere.toml", "fleet", "list"],
        ["readings", "export", "--kind", "smell"],
        ["readings", "export", "-k", "air", "--since", "yesterday"],
        ["ingest", "--store", "mysql://x/y"],
        ["release", "inspect", "/nowhere.bin"],
        ["release", "build", "1.0.0", "--security-counter", "-1"],
        ["rollout", "start", "/nowhere.bin", "--all"],
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(arguments) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith("lamplighter: ")
    assert error.count("\n") == 1
    assert re.search(r"[^.?] See:", error) is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["config", "validate", "/nope"], "/nope: cannot be read: No such file or directory"),
        (["config", "validate", "binary"], "binary: cannot be read: expected text in UTF-8"),
        (["release", "inspect", "/nope"], "/nope: cannot be read: No such file or directory"),
        (["release", "inspect", "binary", "--key", "/nope"], "--key /nope: cannot be read: No"),
        (["release", "sign", "binary", "--key", "binary"], "binary: image"),
        (["release", "build", "1.0.0", "--key", "binary"], "expected an RSA-3072 key as a PEM"),
        (["release", "build", "1.0.0", "--self-test", "lamp,toast"], "self-test, got 'toast'"),
        (["release", "keygen", "/nope/key.pem"], "/nope/key.pem: cannot be made there: No such"),
        (["--settings", "/nope", "fleet", "list"], "settings /nope: cannot be read: No such"),
        (["--password-file", "/nope", "fleet", "list"], "password file /nope: cannot be read: No"),
        (["--ca-file", "binary", "fleet", "list"], "--ca-file binary: expected the certificates"),
        (["--ca-file", "/nope", "fleet", "list"], "as a PEM file; No such file or directory"),
        (["--cert-file", "binary", "fleet", "list"], "--cert-file binary: expected a certificate"),
        (["ingest", "--name", "records"], "--name records: expected 1 to 32 letters and digits"),
    ],
)
def test_error_names_the_file_once_and_what_was_expected(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("binary").write_bytes(b"\xff\xfe no image, no key")
    assert main.run(arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("/nope") <= 1
    assert "http" not in error
    assert "[Errno" not in error


def test_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["--version"]) == 0
    assert re.fullmatch(r"lamplighter \d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_mistakes_of_a_configuration_are_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.toml").write_text('[lamp]\nfade = 3\nfate = "3s"\n')
    assert main.run(["config", "validate", "bad.toml", "--json"]) == 2
    told = json.loads(capsys.readouterr().out)
    assert told["valid"] is False
    assert [error.split(" = ")[0] for error in told["errors"]] == [
        "bad.toml:2: lamp.fade",
        "bad.toml:3: lamp.fate",
    ]


def test_bug_is_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("fleet_cli.commands.config.read_document", broken)
    with pytest.raises(ZeroDivisionError):
        main.run(["config", "validate", "x"])


def test_options_come_before_the_file_and_paths_are_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "lamplighter.toml"
    file.write_text('[broker]\nhost = "b"\nport = 7\nca_file = "ca.pem"\n[store]\nurl = "s"\n')
    found = settings.load(file, {"host": "a", "port": None})
    assert (found.broker.host, found.broker.port, found.store) == ("a", 7, "s")
    assert found.broker.ca_file == tmp_path / "ca.pem"
    assert settings.load(None, {}).broker.effective_port == 1883
    assert settings.load(None, {"tls": True}).broker.effective_port == 8883


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[broker]\nport = '1'", "broker.port: expected a whole number"),
        ("[broker]\nhots = 'x'", "broker.hots: unknown; expected one of host"),
        ("[brokr]", "expected one of the sections [broker]"),
        ("[clock]\nsource = 'sundial'", 'expected "system" or "simulated"'),
        ("[broker", "lamplighter.toml"),
    ],
)
def test_wrong_settings_are_told(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "lamplighter.toml"
    file.write_text(text)
    with pytest.raises(BadInput, match=re.escape(said)):
        settings.load(file, {})


def test_password_that_everyone_may_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("secret\n")
    file.chmod(0o604)
    broker = settings.BrokerSettings(password_file=file)
    with pytest.raises(BadInput, match="chmod o="):
        broker.password()
    file.chmod(0o600)
    assert broker.password() == "secret"


def test_config_schema_and_docs_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["config", "schema"]) == 0
    assert "site/latitude" in json.loads(capsys.readouterr().out)["properties"]
    assert main.run(["config", "docs", "--example"]) == 0
    Path("street.toml").write_text(capsys.readouterr().out)
    assert main.run(["config", "validate", "street.toml", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["valid"]


def test_release_is_built_signed_and_inspected(capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: str) -> tuple[int, Any]:
        code = main.run(["release", *arguments, "--json"])
        out, error = capsys.readouterr()
        return code, json.loads(out) if out else error

    assert run("keygen", "one.pem")[0] == 0
    assert run("keygen", "two.pem")[0] == 0
    assert Path("one.pem").stat().st_mode & 0o077 == 0
    code, error = run("keygen", "one.pem")
    assert (code, "there already" in error) == (2, True)
    asked = ["--security-counter", "3", "--self-test", "lamp,log,link"]
    assert run("build", "1.4.0", *asked, "-o", "raw.bin")[0] == 0
    assert b"lamp,log,link" in romfs_of(Path("raw.bin").read_bytes())[0]
    code, told = run("sign", "raw.bin", "--key", "one.pem", "-o", "signed.bin")
    assert (code, told["version"], told["signed"]) == (0, "1.4.0", True)
    code, told = run("inspect", "signed.bin", "--public-key", "one.pem.pub")
    assert (code, told["signature_valid"], told["security_counter"]) == (0, True, 3)
    assert "node/app.mpy" in [item["name"] for item in told["files"]]
    assert {"board", "security counter", "RSA-3072-PSS signature"} <= {
        item["name"] for item in told["tlvs"]
    }
    assert run("inspect", "signed.bin", "--key", "two.pem")[0] == 1
    code, told = run("inspect", "signed.bin")
    assert (code, told["signature_valid"]) == (0, None)
    damaged = bytearray(Path("signed.bin").read_bytes())
    damaged[5000] ^= 1
    Path("damaged.bin").write_bytes(damaged)
    code, error = run("inspect", "damaged.bin")
    assert (code, "damaged" in error) == (2, True)
    assert main.run(["release", "inspect", "signed.bin", "--key", "one.pem"]) == 0
    lines = capsys.readouterr().out.splitlines()
    # No terminal reads this: a grep for the image hash finds all of it.
    _, told = run("inspect", "signed.bin")
    assert f"image hash       {told['image_hash']}" in lines
    assert any(line.endswith(told["key_hash"]) for line in lines if "key hash" in line)
    assert any("inflated, SHA-256 " in line for line in lines)
