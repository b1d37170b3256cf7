"""lamplighter config: what each lamppost is told to do, and whether it does."""

# ruff: noqa: D301 - \b is how typer is told to keep the lines of a paragraph apart
import asyncio
from typing import Annotated

import typer
from aiomqtt import Client
from rich.text import Text

from fleet_cli.broker import connected
from fleet_cli.commands.config_views import (
    differences_text,
    fields_table,
    outcomes_table,
    status_table,
)
from fleet_cli.commands.options import (
    All,
    ConfigurationFile,
    Gateways,
    Json,
    Labels,
    Nodes,
    Yes,
    chosen_of,
    confirm,
    explicit_selection,
    seconds,
    selection,
    told_at_interrupt,
)
from fleet_cli.commands.root import settings_of
from fleet_cli.configuration import Document, read_document
from fleet_cli.configuration.describe import example, field_rows
from fleet_cli.configuration.difference import Difference, difference
from fleet_cli.configuration.push import Push
from fleet_cli.errors import EXIT_FAILED, EXIT_OK, EXIT_TIMED_OUT, BadInput
from fleet_cli.fleet import Lamppost, Selection, read_fleet
from fleet_cli.output import (
    console,
    error_console,
    note,
    plural,
    print_json,
    progress_bar,
    show,
)
from fleet_cli.settings import BrokerSettings
from protocol import configuration

app = typer.Typer(help="What each lamppost is told to do.", no_args_is_help=True)


@app.command()
def validate(file: ConfigurationFile, json: Json = False) -> None:
    """Check a configuration file; nothing is sent.

    With --json the mistakes are in a list "errors", and on stderr too.
    Exit codes: 0 valid, 2 not.

    \b
    [bold]Example[/bold]
    lamplighter config validate winter.toml
    """
    try:
        document = read_document(file)
    except BadInput as error:
        if json:
            print_json({"valid": False, "errors": str(error).splitlines()})
        raise
    if json:
        print_json({"valid": True, "digest": document.digest, "values": document.values})
    else:
        console().print(
            Text(
                f"{file}: valid, {plural(len(document.values), 'field')}, digest {document.digest}"
            )
        )


@app.command()
def docs(
    file: Annotated[
        bool, typer.Option("--example", help="A whole file with the defaults, to begin with.")
    ] = False,
    json: Json = False,
) -> None:
    """List every field with what may stand there.

    \b
    [bold]Examples[/bold]
    lamplighter config docs
    lamplighter config docs --example > street.toml
    """
    if json:
        print_json(field_rows())
    elif file:
        typer.echo(example(), nl=False)
    else:
        console().print(fields_table())


@app.command()
def schema(json: Json = False) -> None:
    """Print the JSON Schema of what is sent to lampposts.

    It describes the values on the link (`--json` of validate), in the units
    of `lamplighter config docs --json`; it is JSON with or without --json.

    \b
    [bold]Example[/bold]
    lamplighter config schema > lamppost.schema.json
    """
    print_json(configuration.json_schema())


@app.command()
def diff(
    context: typer.Context,
    file: ConfigurationFile,
    node: Nodes = None,
    gateway: Gateways = None,
    label: Labels = None,
    json: Json = False,
) -> None:
    """Show what a file would change on each lamppost; nothing is sent.

    \b
    [bold]Example[/bold]
    lamplighter config diff winter.toml --gateway cabinet-7
    """
    document = read_document(file)
    wanted = selection(node, gateway, label)
    differences = asyncio.run(_diff(settings_of(context).broker, wanted, document))
    if json:
        print_json([item.to_json() for item in differences])
    else:
        show(differences_text(differences))


async def _diff(broker: BrokerSettings, wanted: Selection, document: Document) -> list[Difference]:
    async with connected(broker) as client:
        with progress_bar("Reading the fleet"):
            fleet = await read_fleet(client)
    return [difference(post, document) for post in chosen_of(fleet, wanted)]


@app.command()
def push(
    context: typer.Context,
    file: ConfigurationFile,
    node: Nodes = None,
    gateway: Gateways = None,
    label: Labels = None,
    everyone: All = False,
    yes: Yes = False,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait for the lampposts' answers.")
    ] = True,
    timeout: Annotated[str, typer.Option(help="How long to wait for them.")] = "2min",
    json: Json = False,
) -> int:
    """Send a configuration to lampposts, having shown what it changes.

    Each lamppost checks it and applies it whole, or refuses it and keeps
    what it had. One that is away gets it when it is back.

    Ctrl-C ends the waiting, not what was sent.

    Exit codes: 0 all applied, 1 some refused, 4 some had not answered,
    130 interrupted.

    \b
    [bold]Examples[/bold]
    lamplighter config push winter.toml --gateway cabinet-7
    lamplighter config push winter.toml --all --yes --timeout 10min
    """
    document = read_document(file)
    wanted = explicit_selection(node, gateway, label, everyone)
    limit = seconds(timeout, "--timeout", 1, 7 * 86400) if wait else None
    return asyncio.run(_push(settings_of(context).broker, wanted, document, limit, yes, json))


async def _push(
    broker: BrokerSettings,
    wanted: Selection,
    document: Document,
    limit_s: int | None,
    yes: bool,
    json: bool,
) -> int:
    async with connected(broker) as client:
        with progress_bar("Reading the fleet"):
            fleet = await read_fleet(client)
        differences = [difference(post, document) for post in chosen_of(fleet, wanted)]
        # What is about to happen is no result: in JSON mode too it is for a person to read.
        error_console().print(differences_text(differences), crop=False)
        changing = [item.lamppost for item in differences if not item.same]
        if changing and not yes:
            await confirm(f"Send this to {plural(len(changing), 'lamppost')}?")
        pushing = Push(fleet, changing, document)
        if changing:
            await _send(client, pushing, limit_s)
    if json:
        print_json(
            {
                "version": pushing.version if changing else None,
                "digest": document.digest,
                "lampposts": [outcome.to_json() for outcome in pushing.outcomes.values()],
                "unchanged": [item.lamppost.node for item in differences if item.same],
            }
        )
    elif changing:
        show(outcomes_table(pushing))
    else:
        console().print("nothing to change")
    if pushing.refused:
        return EXIT_FAILED
    if limit_s is not None and pushing.pending:
        note(
            f"{plural(len(pushing.pending), 'lamppost')} had not answered; "
            "see: lamplighter config status"
        )
        return EXIT_TIMED_OUT
    return EXIT_OK


async def _send(client: Client, pushing: Push, limit_s: int | None) -> None:
    total = len(pushing.outcomes)
    sent = 0

    def published(_: Lamppost) -> None:
        nonlocal sent
        sent += 1
        bar.advance()

    def goes_on() -> str:
        return (
            f"version {pushing.version} is already desired of {sent} of "
            f"{plural(total, 'lamppost')} and will be applied; see: lamplighter config status"
        )

    with told_at_interrupt(goes_on):
        with progress_bar(f"Sending version {pushing.version}", total) as bar:
            await pushing.publish(client, published)
        if limit_s is not None:
            with progress_bar("Waiting for answers", total) as bar:
                await pushing.wait(client, limit_s, lambda _: bar.advance())


@app.command()
def status(
    context: typer.Context,
    node: Nodes = None,
    gateway: Gateways = None,
    label: Labels = None,
    json: Json = False,
) -> int:
    """Show which lampposts have the configuration desired of them.

    Exit codes: 0 all have it, 1 some do not.

    \b
    [bold]Example[/bold]
    lamplighter config status --gateway cabinet-7
    """
    wanted = selection(node, gateway, label)
    lampposts = asyncio.run(_chosen(settings_of(context).broker, wanted))
    lagging = [post for post in lampposts if not post.has_desired]
    if json:
        print_json(
            [
                {
                    "node": post.node,
                    "gateway": post.gateway,
                    "name": post.state.name,
                    "link": post.link,
                    "current": post.has_desired,
                    "state": post.configuration_state,
                    "reported": post.state.configuration.model_dump(),
                    "desired_version": post.configuration.version if post.configuration else None,
                }
                for post in lampposts
            ]
        )
    else:
        console().print(status_table(lampposts, len(lagging)))
    return EXIT_FAILED if lagging else EXIT_OK


async def _chosen(broker: BrokerSettings, wanted: Selection) -> list[Lamppost]:
    async with connected(broker) as client:
        with progress_bar("Reading the fleet"):
            return chosen_of(await read_fleet(client), wanted)
