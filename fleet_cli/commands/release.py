"""lamplighter release: making, signing and looking at what a lamppost may run."""

# ruff: noqa: D301 - \b is how typer is told to keep the lines of a paragraph apart
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.text import Text

from firmware.build import (
    DEFAULT_BOARD,
    DEFAULT_SELF_TEST,
    SELF_TEST_CHECKS,
    BuildError,
    build_unsigned,
    generate_key,
)
from firmware.build import sign as sign_image
from fleet_cli.commands import release_repository
from fleet_cli.commands.options import Json
from fleet_cli.errors import EXIT_FAILED, EXIT_OK, BadInput, Failed, reason_of
from fleet_cli.output import Details, console, print_json, progress_bar, show, table
from fleet_cli.release import image

app = typer.Typer(help="Make, sign, look at and publish releases.", no_args_is_help=True)

ImageFile = Annotated[Path, typer.Argument(help="The image.", show_default=False)]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="File to write.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")]


@app.command()
def keygen(
    path: Annotated[Path, typer.Argument(help="Where to write the private key (PEM).")],
    json: Json = False,
) -> None:
    """Make a release key (RSA-3072); beside it the public half, as PATH.pub.

    Whoever has the private key can change every lamppost that trusts it:
    keep it off the network.

    \b
    [bold]Example[/bold]
    lamplighter release keygen release-2026.pem
    """
    public = path.with_name(path.name + ".pub")
    if public.exists():
        raise BadInput(f"{public} is there already; name another file for the new key")
    try:
        with progress_bar("Finding primes"):
            key = generate_key(path)
        key.write_public(public)
    except OSError as error:
        raise Failed(f"{public}: could not be written: {reason_of(error)}") from error
    except BuildError as error:
        if isinstance(cause := error.__cause__, OSError) and not isinstance(cause, FileExistsError):
            raise BadInput(
                f"{path}: cannot be made there: {reason_of(cause)}; name another place"
            ) from error
        raise BadInput(str(error)) from error
    if json:
        print_json({"private": str(path), "public": str(public), "key_hash": key.key_hash.hex()})
    else:
        _say(f"private key {path}", f"public key  {public}", f"key hash    {key.key_hash.hex()}")


@app.command()
def build(
    version: Annotated[str, typer.Argument(help="Such as 1.4.0.", show_default=False)],
    board: Annotated[str, typer.Option(help="The hardware family it is for.")] = DEFAULT_BOARD,
    security_counter: Annotated[
        int,
        typer.Option(min=0, help="Raise it when no older release may ever run again."),
    ] = 1,
    key: Annotated[Path | None, typer.Option(help="Sign it at once with this key.")] = None,
    overlay: Annotated[
        Path | None, typer.Option(help="Folder with files that replace or add to the sources.")
    ] = None,
    self_test: Annotated[
        str,
        typer.Option(
            metavar="CHECKS",
            help="What has to be well before a lamppost keeps it, "
            f"of {', '.join(SELF_TEST_CHECKS)}.",
        ),
    ] = DEFAULT_SELF_TEST,
    output: Output = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Build a release from the firmware's sources.

    \b
    [bold]Examples[/bold]
    lamplighter release build 1.4.0 --key release-2026.pem
    lamplighter release build 1.4.0 --security-counter 3 -o unsigned.bin
    lamplighter release build 1.5.0 --key release.pem --self-test lamp,log,link
    """
    signing = image.private_key(key) if key else None
    path = output or Path(f"lamplighter-{version}{'' if signing else '-unsigned'}.bin")
    try:
        with progress_bar(f"Building {version}"):
            data = build_unsigned(version, board, security_counter, overlay, self_test)
            if signing:
                data = sign_image(data, signing)
    except BuildError as error:
        raise BadInput(str(error)) from error
    image.write_file(path, data, force=force)
    _report(path, json)


@app.command()
def sign(
    file: ImageFile,
    key: Annotated[Path, typer.Option(help="The private release key.", show_default=False)],
    output: Output = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """Sign an image; one that is signed already is signed anew.

    \b
    [bold]Example[/bold]
    lamplighter release sign unsigned.bin --key release.pem -o v1.4.0.bin
    """
    data, info = image.load(file)
    path = output or file.with_name(f"lamplighter-{info.version}.bin")
    try:
        signed = sign_image(data, image.private_key(key))
    except BuildError as error:
        raise BadInput(f"{file}: {error}") from error
    image.write_file(path, signed, force=force)
    _report(path, json)


def _report(path: Path, json: bool) -> None:
    _, info = image.load(path)
    signed = info.key_hash is not None
    if json:
        print_json(
            {
                "file": str(path),
                "version": info.version,
                "board": info.board,
                "security_counter": info.security_counter,
                "size": info.size,
                "sha256": info.file_sha256.hex(),
                "image_hash": info.image_hash.hex(),
                "signed": signed,
            }
        )
    else:
        _say(
            f"{path}: version {info.version} for {info.board}, "
            f"{'signed' if signed else 'not signed'}, {info.size} bytes"
        )


def _say(*lines: str) -> None:
    for line in lines:
        console().print(Text(line), soft_wrap=True)


@app.command()
def inspect(
    file: ImageFile,
    key: Annotated[
        Path | None, typer.Option("--key", "--public-key", help="Key it should be signed with.")
    ] = None,
    json: Json = False,
) -> int:
    """Show what is in an image, and whether a key verifies it.

    Exit codes: 0 fine, 1 the key given does not verify it.

    \b
    [bold]Example[/bold]
    lamplighter release inspect lamplighter-1.4.0.bin --key release.pem.pub
    """
    described = image.describe(file, image.public_key(key) if key else None)
    if json:
        print_json(described)
    else:
        show(inspection(described))
    return EXIT_FAILED if described["signature_valid"] is False else EXIT_OK


def inspection(described: dict[str, Any]) -> RenderableType:
    """What `describe` found, for people."""
    verdict = {
        None: Text("not checked; give --key" if described["signed"] else "none", style="yellow"),
        True: Text("valid", style="green"),
        False: Text("NOT VALID for the key given", style="red"),
    }[described["signature_valid"]]
    header = described["header"]
    rows: list[tuple[str, str | Text]] = [
        ("version", header["version"]),
        ("board", described["board"]),
        ("security counter", str(described["security_counter"])),
        ("signature", verdict),
        ("image hash", described["image_hash"]),
        ("file SHA-256", described["sha256"]),
        ("size", f"{described['size']} bytes"),
        ("header", f"{header['header_size']} bytes, build {header['build']}"),
        ("payload", f"{header['payload_size']} bytes, inflated {described['inflated_size']}"),
    ]
    tlvs: list[tuple[str, str | Text]] = [
        (f"{tlv['type']} {tlv['area']}, {tlv['name']}", _short(tlv["value"]))
        for tlv in described["tlvs"]
    ]
    files = [[item["name"], str(item["size"])] for item in described["files"]]
    return Group(
        Details(rows),
        Text(),
        Text("TLVs", style="bold"),
        Details(tlvs),
        Text(),
        table(["file", ("bytes", {"justify": "right"})], files),
    )


def _short(value: str) -> str:
    # A hash stays whole, alone or at the end of a description; of a signature the beginning does.
    return f"{value[:61]}..." if len(value) > 64 and " " not in value else value


# Last, so that they stand in the help after those that come before them in a release's life.
app.add_typer(release_repository.app)
