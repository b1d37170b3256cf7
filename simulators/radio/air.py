"""The air between Bluetooth controllers: Bumble's, mended where it is not like the real one.

Bumble's simulated controllers (0.0.236) send a scan response that repeats the advert, send no
advert that nobody may connect to, tag data with an address that is not that of the connection,
carry any amount of data in no time, never lose a peer that dies, connect to one that has just
stopped advertising, which then knows nothing of it, and end a connection that is gone by saying
that they will and then nothing. All of that matters here.
"""

# Bumble's commands are typed by a decorator that a type checker does not see through.
# pyright: reportUnknownMemberType=false, reportMissingTypeArgument=false
# pyright: reportUnknownParameterType=false
import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from bumble import hci, ll
from bumble.controller import Connection, Controller, LegacyAdvertiser
from bumble.core import PhysicalTransport
from bumble.link import LocalLink

ACL_BYTES = 251
"""Data of one packet on the air, with the data length extension."""

_ACL_PACKETS = 12
# 1 Mbit/s physical layer: 251 bytes take 2120 us, the answer and the gaps 380 us more.
_SECONDS_PER_BYTE = 8e-6
_SECONDS_PER_PACKET = 492e-6
_SUPERVISION_SECONDS = 2.0
_INTERVAL_UNIT_SECONDS = 625e-6

_REPORT_TYPE = hci.HCI_LE_Advertising_Report_Event.EventType
# By the advertising type of HCI_LE_Set_Advertising_Parameters (Core Specification 7.8.5).
_REPORTS = {
    0: _REPORT_TYPE.ADV_IND,
    2: _REPORT_TYPE.ADV_SCAN_IND,
    3: _REPORT_TYPE.ADV_NONCONN_IND,
}


@dataclass
class Advert(ll.AdvInd):
    """An advert with what belongs to it on the air.

    Attributes:
        response: what a scanner that asks is answered.
        kind: of the HCI's event types.
    """

    response: bytes = b""
    kind: int = _REPORT_TYPE.ADV_IND

    @property
    def connectable(self) -> bool:
        """Whether a central may connect."""
        return self.kind == _REPORT_TYPE.ADV_IND


class Air(LocalLink):
    """What every controller of a street hears."""

    def send_advertising_pdu(
        self, sender_controller: Controller, packet: ll.AdvertisingPdu
    ) -> None:
        """Bumble's, but only for those that listen: N lampposts would else cost N squared."""
        loop = asyncio.get_running_loop()
        for controller in list(self.controllers):
            listens = controller.le_scan_enable or controller.pending_le_connection
            if controller is sender_controller:
                continue
            if isinstance(packet, ll.ConnectInd):
                # It comes 150 us after the advert, for which the advertiser still listens.
                controller.on_ll_advertising_pdu(packet)
            elif listens or not isinstance(packet, ll.AdvInd):
                loop.call_soon(controller.on_ll_advertising_pdu, packet)

    def advertises(self, address: hci.Address) -> bool:
        """Whether somebody advertises under this address at this moment."""
        advertisers = [controller.le_legacy_advertiser for controller in self.controllers]
        return any(one.enabled and one.address == address for one in advertisers)

    def send_acl_data(
        self,
        sender_controller: Controller,
        destination_address: hci.Address,
        transport: PhysicalTransport,
        data: bytes,
    ) -> None:
        """Deliver data when it has had its time on the air; what has no receiver is lost."""
        connection = sender_controller.le_connections.get(destination_address)
        receiver = self._peer(sender_controller, connection) if connection else None
        if connection is None or receiver is None:
            return
        asyncio.get_running_loop().call_at(
            cast("AirController", sender_controller).airtime(len(data)),
            receiver.on_link_acl_data,
            connection.self_address,
            transport,
            data,
        )

    def vanish(self, controller: "AirController") -> None:
        """A controller has lost its power: its peers find out by themselves."""
        controller.le_legacy_advertiser.stop()
        if controller not in self.controllers:
            return
        self.controllers.discard(controller)
        loop = asyncio.get_running_loop()
        for connection in list(controller.le_connections.values()):
            peer = self._peer(controller, connection)
            if peer is not None:
                loop.call_later(_SUPERVISION_SECONDS, peer.lose, connection.self_address)

    def _peer(self, sender: Controller, connection: Connection) -> "AirController | None":
        for controller in self.controllers:
            if controller is sender:
                continue
            theirs = controller.le_connections.get(connection.self_address)
            if theirs is not None and theirs.self_address == connection.peer_address:
                return cast(AirController, controller)
        return None


class AirController(Controller):
    """A controller on an :class:`Air`. Legacy advertising only, as MicroPython has it."""

    # With link layer privacy Linux waits for an event of a connection that Bumble does not send,
    # and does nothing else for 20 s.
    le_features = Controller.le_features & ~(
        hci.LeFeatureMask.LE_EXTENDED_ADVERTISING
        | hci.LeFeatureMask.LE_PERIODIC_ADVERTISING
        | hci.LeFeatureMask.LL_PRIVACY
    )
    le_acl_data_packet_length = ACL_BYTES
    total_num_le_acl_data_packets = _ACL_PACKETS

    def __init__(self, name: str, air: Air, public_address: hci.Address | None = None) -> None:
        super().__init__(name, link=air, public_address=public_address)
        self.le_legacy_advertiser = _Advertiser(self)
        self._air = air
        self._free_at = 0.0

    def airtime(self, count: int) -> float:
        """When ``count`` more bytes will have been sent, in the loop's time."""
        now = asyncio.get_running_loop().time()
        packets = -(-count // ACL_BYTES)
        took = count * _SECONDS_PER_BYTE + packets * _SECONDS_PER_PACKET
        self._free_at = max(now, self._free_at) + took
        return self._free_at

    def lose(self, address: hci.Address) -> None:
        """The peer with this address has not been heard for the supervision time."""
        connection = self.le_connections.get(address)
        if connection is not None:
            self.on_le_disconnected(connection, hci.HCI_CONNECTION_TIMEOUT_ERROR)

    def send_hci_packet(self, packet: hci.HCI_Packet) -> None:
        """Tell the host that data was sent once it was, so that its queue fills as it would."""
        if isinstance(packet, hci.HCI_Number_Of_Completed_Packets_Event):
            loop = asyncio.get_running_loop()
            loop.call_at(max(loop.time(), self._free_at), super().send_hci_packet, packet)
        else:
            super().send_hci_packet(packet)

    def on_advertising_pdu(self, pdu: ll.AdvInd | ll.AdvExtInd) -> None:
        """Report an advert, and its scan response to a host that asks for it."""
        if not isinstance(pdu, Advert):
            return
        if self.le_scan_enable:
            self._report(pdu, pdu.kind, pdu.data)
            if self.le_scan_type and pdu.kind != _REPORT_TYPE.ADV_NONCONN_IND:
                self._report(pdu, _REPORT_TYPE.SCAN_RSP, pdu.response)
        pending = self.pending_le_connection
        if (
            pending is not None
            and pdu.connectable
            and pending.peer_address == pdu.advertiser_address
            and self._air.advertises(pdu.advertiser_address)
        ):
            self.create_le_connection(pdu.advertiser_address)

    def on_hci_le_create_connection_cancel_command(
        self, _command: hci.HCI_LE_Create_Connection_Cancel_Command
    ) -> hci.HCI_StatusReturnParameters:
        """Bumble's forgets neither the attempt nor to say so."""
        pending, self.pending_le_connection = self.pending_le_connection, None
        if pending is None:
            return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        self.send_hci_packet(
            hci.HCI_LE_Connection_Complete_Event(
                status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
                connection_handle=0,
                role=hci.Role.CENTRAL,
                peer_address_type=hci.Address.RANDOM_DEVICE_ADDRESS,
                peer_address=hci.Address.ANY,
                connection_interval=0,
                peripheral_latency=0,
                supervision_timeout=0,
                central_clock_accuracy=0,
            )
        )
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)

    def on_hci_disconnect_command(self, command: hci.HCI_Disconnect_Command) -> None:
        """Refuse to end a connection that there is not, so that its host does not wait for that."""
        if self.find_connection_by_handle(command.connection_handle) is not None:
            super().on_hci_disconnect_command(command)
            return
        self.send_hci_packet(
            hci.HCI_Command_Status_Event(
                status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
                num_hci_command_packets=1,
                command_opcode=command.op_code,
            )
        )

    def vanish(self) -> None:
        """Lose power."""
        self._air.vanish(self)

    def _report(self, pdu: Advert, kind: int, data: bytes) -> None:
        report = hci.HCI_LE_Advertising_Report_Event.Report(
            event_type=kind,
            address_type=pdu.advertiser_address.address_type,
            address=pdu.advertiser_address,
            data=data,
            rssi=-60,
        )
        self.send_hci_packet(hci.HCI_LE_Advertising_Report_Event([report]))


class _Advertiser(LegacyAdvertiser):
    """Sends adverts of every type, at the interval asked for."""

    def start(self) -> None:
        self.stop()
        self.enabled = True
        self._schedule(0.0)

    def send_advertising_data(self) -> None:
        if not self.enabled:
            return
        kind = _REPORTS[self.advertising_type]
        self.controller.send_advertising_pdu(
            Advert(self.address, self.advertising_data, self.scan_response_data, kind)
        )

    def _schedule(self, seconds: float) -> None:
        later: Callable[..., asyncio.TimerHandle] = asyncio.get_running_loop().call_later
        self.timer_handle = later(seconds, self._advertise)

    def _advertise(self) -> None:
        self.send_advertising_data()
        self._schedule(self.advertising_interval_min * _INTERVAL_UNIT_SECONDS)
