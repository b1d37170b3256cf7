"""The real BlueZ in a machine of its own: Debian's kernel and bluetoothd, all in memory, and QEMU.

What a test starts (:mod:`simulators.bluez`) is put together once from Debian's packages and kept in
the cache folder: QEMU with its libraries, the kernel, and an initial file system with bluetoothd,
dbus-daemon and the kernel's Bluetooth modules. No root, no disk image, no KVM.
"""

import lzma
import re
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

from simulators.tools import debian, initramfs
from simulators.tools.cache import cache_folder, locked, whole_or_nothing
from simulators.tools.errors import ToolError

RECIPE = 1
"""Raised when what is put together below changes: it is then made anew."""

_ARCHITECTURE = "amd64"
_SUITE = debian.SUITES[0]
_LIBRARIES = "usr/lib/x86_64-linux-gnu"

_QEMU = "usr/bin/qemu-system-x86_64"
_QEMU_PACKAGES = (
    "qemu-system-x86", "qemu-system-common", "qemu-system-data", "seabios", "libaio1t64",
    "libatomic1", "libblkid1", "libbpf1", "libc6", "libcap-ng0", "libcap2", "libcapstone5",
    "libdaxctl1", "libelf1t64", "libfdt1", "libffi8", "libfuse3-4", "libgcc-s1", "libglib2.0-0t64",
    "libgmp10", "libgnutls30t64", "libhogweed6t64", "libibverbs1", "libidn2-0", "libjpeg62-turbo",
    "libkmod2", "liblzma5", "libmount1", "libndctl6", "libnettle8t64", "libnl-3-200",
    "libnl-route-3-200", "libnuma1", "libp11-kit0", "libpcre2-8-0", "libpixman-1-0", "libpmem1",
    "libpng16-16t64", "librdmacm1t64", "libsasl2-2", "libseccomp2", "libselinux1", "libslirp0",
    "libssl3t64", "libsystemd0", "libtasn1-6", "libudev1", "libunistring5", "liburing2", "libuuid1",
    "libvdeplug2t64", "libzstd1", "zlib1g",
)  # fmt: skip

_PROGRAMS = (
    "usr/bin/busybox",
    "usr/bin/dbus-daemon",
    "usr/bin/btattach",
    "usr/bin/socat",
    "usr/libexec/bluetooth/bluetoothd",
)
_GUEST_PACKAGES = (
    "bluez", "busybox-static", "dbus-daemon", "dbus-system-bus-common", "socat", "libapparmor1",
    "libasound2t64", "libatomic1", "libaudit1", "libbz2-1.0", "libc6", "libcap-ng0", "libcap2",
    "libdbus-1-3", "libdw1t64", "libelf1t64", "libexpat1", "libffi8", "libgcc-s1",
    "libglib2.0-0t64", "liblzma5", "libpcre2-8-0", "libselinux1", "libssl3t64", "libsystemd0",
    "libudev1", "libwrap0", "libzstd1", "zlib1g", "zstd", "liblz4-1",
)  # fmt: skip
_KERNEL = "linux-image-amd64"
# In this order: what BlueZ and the kernel's Bluetooth ask of the kernel's cryptography, then the
# machine's parts, then Bluetooth itself.
_MODULES = (
    "ctr", "sha512_generic", "sha256_generic", "hmac", "jitterentropy_rng", "drbg", "cmac", "ecb",
    "ccm", "algif_hash", "algif_skcipher", "virtio_rng", "virtio_net", "hci_uart",
)  # fmt: skip
_APPLETS = ("sh", "mount", "mkdir", "ifconfig", "insmod", "cat", "grep", "sleep", "kill")

# hvc0 is the Bluetooth controller, hvc1 takes orders; D-Bus listens on TCP port 5555.
_INIT = """#!/bin/sh
export PATH=/bin:/usr/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
mkdir -p /run/dbus
for module in $(cat /modules/order); do insmod /modules/$module; done
ifconfig lo up
ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up
dbus-daemon --system --fork --nopidfile
while :; do
    /usr/libexec/bluetooth/bluetoothd -n -E &
    echo $! > /run/bluetoothd.pid
    wait $!
    echo bluetoothd ended
    sleep 0.2
done &
socat TCP-LISTEN:5555,fork,reuseaddr,nodelay UNIX-CONNECT:/run/dbus/system_bus_socket &
btattach -B /dev/hvc0 -P h4 &
until [ -e /sys/class/bluetooth/hci0 ] && grep -q :15B3 /proc/net/tcp; do sleep 0.05; done
echo GUEST READY
while read order; do
    [ "$order" = restart-bluetoothd ] && kill -9 $(cat /run/bluetoothd.pid)
done < /dev/hvc1
"""


def fetch(folder: Path | None = None) -> Path:
    """The folder with ``bin/qemu``, ``vmlinux`` and ``initrd``; made when absent.

    Raises:
        ToolError: it cannot be made here.
    """
    folder = folder or cache_folder()
    target = folder / f"bluez-guest-{_ARCHITECTURE}-{RECIPE}"
    if target.is_dir():
        return target
    host = debian.host_architecture()
    if host != _ARCHITECTURE:
        raise ToolError(f"expected a machine of {_ARCHITECTURE} for the BlueZ guest, got {host}")
    with (
        locked(folder),
        tempfile.TemporaryDirectory(prefix=".bluez.", dir=folder) as scratch,
        whole_or_nothing(target) as root,
    ):
        apt = debian.PrivateApt(Path(scratch) / "apt", _SUITE, _ARCHITECTURE)
        debian.unpack(apt, _QEMU_PACKAGES, root)
        debian.write_launcher(root, "qemu", _QEMU, _ARCHITECTURE)
        unpacked = Path(scratch) / "guest"
        unpacked.mkdir()
        kernel = apt.dependency(_KERNEL, "linux-image-")
        debian.unpack(apt, [*_GUEST_PACKAGES, kernel], unpacked)
        _unpack_kernel(unpacked, root / "vmlinux")
        (root / "initrd").write_bytes(initramfs.pack(_lay_out(unpacked, Path(scratch) / "root")))
    return target


def _lay_out(unpacked: Path, root: Path) -> Path:
    """The guest's file system, out of the unpacked packages."""
    for name in ("bin", "dev", "etc", "lib64", "modules", "proc", "run", "sys", "tmp", _LIBRARIES,
                 "usr/bin", "usr/libexec/bluetooth", "var/lib/bluetooth"):  # fmt: skip
        (root / name).mkdir(parents=True, exist_ok=True)
    for program in _PROGRAMS:
        shutil.copy(unpacked / program, root / program)
    for applet in _APPLETS:
        (root / "bin" / applet).symlink_to("/usr/bin/busybox")
    loader = unpacked / "usr/lib64" / debian.LOADERS[_ARCHITECTURE]
    shutil.copy(loader, root / "lib64" / loader.name)
    (root / "lib").symlink_to("usr/lib")
    for program in _PROGRAMS[1:]:
        for library in debian.libraries(loader, unpacked / _LIBRARIES, unpacked / program):
            shutil.copy(library, root / _LIBRARIES / library.name)
    shutil.copytree(unpacked / "usr/share/dbus-1", root / "usr/share/dbus-1")
    shutil.copytree(unpacked / "etc/dbus-1", root / "etc/dbus-1")
    shutil.copytree(unpacked / "etc/bluetooth", root / "etc/bluetooth")
    etc = root / "etc"
    (etc / "bluetooth/main.conf").write_text("[General]\nControllerMode=le\n")
    (etc / "machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    (etc / "passwd").write_text("root:x:0:0::/:/bin/sh\nmessagebus:x:100:100::/:/bin/sh\n")
    (etc / "group").write_text("root:x:0:\nmessagebus:x:100:\nbluetooth:x:101:\nnetdev:x:102:\n")
    (root / "modules/order").write_text("\n".join(_copy_modules(unpacked, root / "modules")))
    (root / "init").write_text(_INIT)
    (root / "init").chmod(0o755)
    return root


def _copy_modules(unpacked: Path, into: Path) -> list[str]:
    """Copy the kernel's modules and what they depend on; their file names, dependencies first."""
    packed = {
        path.name.partition(".")[0].replace("-", "_"): path
        for path in unpacked.glob("usr/lib/modules/*/kernel/**/*.ko.xz")
    }
    order: list[str] = []

    def copy(name: str) -> None:
        # What the package does not have as a module is part of the kernel itself.
        if name not in packed or f"{name}.ko" in order:
            return
        code = lzma.decompress(packed[name].read_bytes())
        depends = re.search(rb"\0depends=([^\0]*)\0", code)
        for other in depends[1].decode().split(",") if depends else []:
            copy(other.replace("-", "_"))
        (into / f"{name}.ko").write_bytes(code)
        order.append(f"{name}.ko")

    for name in _MODULES:
        copy(name)
    return order


def _unpack_kernel(unpacked: Path, into: Path) -> None:
    """Write the kernel as an ELF file: the guest starts in 5 s instead of 8 by its own unpacking.

    Format of the packed one: Linux, Documentation/arch/x86/boot.rst.
    """
    packed = next(unpacked.glob("boot/vmlinuz-*")).read_bytes()
    offset, length = struct.unpack_from("<II", packed, 0x248)
    begin = (packed[0x1F1] + 1) * 512 + offset
    loader = unpacked / "usr/lib64" / debian.LOADERS[_ARCHITECTURE]
    zstd = [loader, "--library-path", unpacked / _LIBRARIES, unpacked / "usr/bin/zstd"]
    # Its last 4 bytes are the size of what was packed.
    payload = packed[begin : begin + length - 4]
    done = subprocess.run([*zstd, "-dqc"], input=payload, capture_output=True, check=False)
    if done.returncode != 0 or not done.stdout.startswith(b"\x7fELF"):
        raise ToolError(
            f"expected Debian's kernel to be packed by zstd, got {payload[:4].hex()} "
            f"({done.stderr.decode(errors='replace').strip()})"
        )
    into.write_bytes(done.stdout)
