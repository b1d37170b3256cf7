"""Other people's clients of the outlets' protocols, each in an environment of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from simulators.tools import ToolError
from simulators.tools.environments import environment

# A host application by pysparkplug: one JSON line a message, as it understood it.
SPARKPLUG_HOST = """
import json, sys, threading
import pysparkplug as sp
client = sp.Client()
births = {}
def heard(_client, message):
    topic = message.topic
    kind = topic.message_type
    if kind.name in ("NBIRTH", "DBIRTH", "DDATA", "DDEATH", "NDEATH"):
        payload = message.payload
        carried = [payload.bd_seq_metric] if kind.name == "NDEATH" else (
            getattr(payload, "metrics", ()))
        metrics = {m.name: m.value for m in carried}
        out = [kind.name, topic.edge_node_id, topic.device_id, getattr(payload, "seq", None),
               metrics]
        print(json.dumps(out), flush=True)
client.connect("127.0.0.1", port=int(sys.argv[1]))
client.subscribe(sp.Topic(group_id=sp.MULTI_LEVEL_WILDCARD), sp.QoS.AT_LEAST_ONCE, heard)
print(json.dumps(["listening"]), flush=True)
threading.Event().wait()
"""

# ThingsBoard's own client, doing as a gateway what our outlet does.
THINGSBOARD_GATEWAY = """
import json, sys, time
from tb_gateway_mqtt import TBGatewayMqttClient
said = json.load(sys.stdin)
client = TBGatewayMqttClient("127.0.0.1", int(sys.argv[1]), "token", client_id="theirs",
                             messages_rate_limit="0:0,", telemetry_rate_limit="0:0,",
                             telemetry_dp_rate_limit="0:0,")
client.connect()
until = time.time() + 30
while not client.is_connected() and time.time() < until:
    time.sleep(0.01)
client.gw_connect_device(said["name"], said["type"]).get()
client.gw_send_attributes(said["name"], said["attributes"]).get()
client.gw_send_telemetry(said["name"], said["telemetry"]).get()
client.gw_send_rpc_reply(said["name"], 7, {"success": True}).get()
client.gw_disconnect_device(said["name"]).get()
client.stop()
"""


@asynccontextmanager
async def run(
    name: str, requirement: str, script: str, *arguments: str
) -> AsyncGenerator[asyncio.subprocess.Process]:
    """`script` in the environment `name`; the test is skipped where that cannot be had."""
    try:
        python = await asyncio.to_thread(environment, name, requirement)
    except ToolError as why:
        pytest.skip(str(why))
    process = await asyncio.create_subprocess_exec(
        str(python), "-c", script, *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def line(process: asyncio.subprocess.Process) -> Any:
    """The next line that the script prints, as JSON."""
    assert process.stdout is not None
    async with asyncio.timeout(60):
        return json.loads(await process.stdout.readline())
