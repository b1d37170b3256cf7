"""The service on a machine: what is made, and that doing it again makes nothing."""

from __future__ import annotations

import configparser
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cabinet import installation
from gateway.cabinet.installation import CannotInstall, Plan
from gateway.main import app

GATEWAY, MOSQUITTO = "lamplighter-gateway", "lamplighter-mosquitto"
WORDS = {
    "executable": "/usr/bin/true",
    "config": "/etc/lamplighter/gateway.toml",
    "groups": "dialout bluetooth",
    "writable": "/etc/lamplighter /var/lib/lamplighter",
    "lan": "/var/lib/lamplighter/lan",
    "mosquitto": "/usr/bin/true",
}
# What `systemd-analyze security` may give at most; docs/installer.md states the figures.
MOST_EXPOSED = {GATEWAY: 1.5, MOSQUITTO: 1.3}


@pytest.mark.parametrize("name", [GATEWAY, MOSQUITTO])
def test_a_unit_has_no_place_left_open(name: str) -> None:
    text = installation.unit_text(name, WORDS)
    assert not re.search("@[a-z]+@", text.replace("@system-service", "").replace("@privileged", ""))
    unit = configparser.RawConfigParser(strict=False)
    unit.optionxform = str  # pyright: ignore[reportAttributeAccessIssue]
    unit.read_string(text)
    assert unit["Service"]["User"] == "lamplighter"
    assert unit["Service"]["Restart"] == "always"


def test_a_machine_without_the_groups_has_no_line_for_them() -> None:
    text = installation.unit_text(GATEWAY, {**WORDS, "groups": ""})
    assert "SupplementaryGroups" not in text


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
@pytest.mark.parametrize("name", [GATEWAY, MOSQUITTO])
def test_units_are_hardened_as_the_docs_say(name: str, tmp_path: Path) -> None:
    unit = tmp_path / f"{name}.service"
    unit.write_text(installation.unit_text(name, WORDS))
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (verified.returncode, verified.stderr) == (0, "")
    told = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", unit],
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    match = re.search(r"Overall exposure level for \S+: ([0-9.]+)", told)
    assert match is not None
    assert float(match[1]) <= MOST_EXPOSED[name]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Another system's root, on which useradd has been already."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text(
        f"root:x:0:0::/root:/bin/sh\nlamplighter:x:{os.getuid()}:{os.getgid()}::/x:/bin/false\n"
    )
    (tmp_path / "etc/group").write_text("root:x:0:\ndialout:x:20:\n")
    return tmp_path


def test_an_image_is_set_up_once(image: Path) -> None:
    plan = Plan(Path("/usr/bin/lamplighter-gateway"), Path("/etc/lamplighter/gateway.toml"), True,
                image)  # fmt: skip
    done: list[str] = []
    for step in installation.steps(plan):
        if step.needed:
            step.do()
            done.append(step.what)
    assert len(done) == 4
    unit = (image / f"etc/systemd/system/{GATEWAY}.service").read_text()
    assert "SupplementaryGroups=dialout\n" in unit
    assert (
        "ExecStart=/usr/bin/lamplighter-gateway run --config /etc/lamplighter/gateway.toml" in unit
    )
    assert (image / f"etc/systemd/system/{MOSQUITTO}.service").exists()
    assert stat.S_IMODE((image / "var/lib/lamplighter").stat().st_mode) == 0o700
    assert not any(step.needed for step in installation.steps(plan))


def test_the_configuration_says_what_else_is_written_and_whether_there_is_a_lan(
    image: Path,
) -> None:
    config = image / "gateway.toml"
    config.write_text(
        '[gateway]\nid = "cabinet-1"\ndata_dir = "/srv/lamps"\n[mqtt]\nhost = "b"\n'
        '[lan]\naddress = "192.168.4.1"\n'
    )
    told = [step.what for step in installation.steps(Plan(Path("/x"), config, None, image))]
    assert any("/srv/lamps" in what for what in told)
    assert any(MOSQUITTO in what for what in told)


def test_a_program_the_service_could_not_run_is_refused(tmp_path: Path) -> None:
    program = tmp_path / "lamplighter-gateway"
    with pytest.raises(CannotInstall, match="no program"):
        installation.check_executable(program)
    program.write_text("#!/root/.local/python\n")
    program.chmod(0o700)
    with pytest.raises(CannotInstall, match="every user"):
        installation.check_executable(program)
    program.chmod(0o755)
    with pytest.raises(CannotInstall, match="pipx"):
        installation.check_executable(program)
    installation.check_executable(Path("/bin/sh"))


def test_nothing_is_done_by_a_dry_run(tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app, ["install-service", "--dry-run", "--root", str(tmp_path), "--executable", "/bin/sh"]
    )
    assert done.exit_code == 0, done.output
    assert "would be done user lamplighter" in done.output
    assert list(tmp_path.iterdir()) == []


def test_only_root_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    done = CliRunner().invoke(app, ["install-service"])
    assert done.exit_code == 1
    assert "sudo" in done.output
