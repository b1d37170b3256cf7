"""SMP group 64: readings, acknowledge, lamp, identify, status; SEALED is the server's own."""

from protocol import messages, smp

from . import Refused, unsupported


class StreetGroup:
    """log: NodeLog. lamp: Lamp. clock: Clock. status: Status. lives: crash.Lives."""

    def __init__(self, log, lamp, clock, status, lives=None):
        self._lives = lives
        self._log = log
        self._lamp = lamp
        self._clock = clock
        self._status = status
        # Times and acknowledgements that made no sense, though sealed.
        self.ignored = 0

    async def handle(self, request):
        """Answer one request of this group."""
        command = request.command
        if command == messages.READINGS and not request.writes:
            return self._readings(request)
        if command == messages.STATUS and not request.writes:
            return messages.status_reply(self._status.values())
        if command == messages.LINKS and not request.writes:
            return self._status.link_report()
        if command == messages.LAMP:
            return self._override(request) if request.writes else self._lamp_state()
        if command == messages.PRESENCE and request.writes:
            return self._presence(request)
        if command == messages.IDENTIFY:
            if not request.writes:
                return self._status.identity()
            request.require_seal()
            self._lamp.identify(messages.parse_identify_request(request.body))
            return {}
        if command == messages.CRASH and self._lives is not None:
            return self._lives.handle(request)
        if command == messages.ACKNOWLEDGE and request.writes:
            request.require_seal()
            position = messages.parse_acknowledge_request(request.body)
            if not self._log.acknowledge(*position):
                self.ignored += 1
                raise Refused(
                    smp.STREET_ERR_INVALID, "no such record was written", smp.GROUP_STREET
                )
            return {}
        raise unsupported()

    def _readings(self, request):
        epoch, sequence, limit, acknowledged, time = messages.parse_readings_request(request.body)
        if acknowledged is not None or time is not None:
            request.require_seal()
        # Neither may keep records from being collected: a wrong one is counted and passed over.
        if acknowledged is not None and not self._log.acknowledge(*acknowledged):
            self.ignored += 1
        if time is not None:
            try:
                self._clock.hear(time)
            except ValueError:
                self.ignored += 1
        epoch, sequence, records, waiting = self._log.read(epoch, sequence, limit)
        return messages.readings_reply(
            epoch,
            sequence,
            records,
            waiting,
            self._status.generation(),
            self._lamp.told,
            self._lamp.sightings,
        )

    def _override(self, request):
        request.require_seal()
        level, seconds = messages.parse_lamp_request(request.body)
        why, groups = messages.parse_lamp_options(request.body)
        if messages.in_groups(self._lamp.groups, groups):
            self._lamp.override(level, seconds, why)
        return {"l": self._lamp.level}

    def _presence(self, request):
        """A neighbour saw somebody who may be coming here."""
        request.require_seal()
        seconds, addresses = messages.parse_presence_request(request.body)
        if not addresses or self._status.address in addresses:
            self._lamp.near(seconds)
        return {"l": self._lamp.level}

    def _lamp_state(self):
        lamp = self._lamp
        return messages.lamp_reply(
            lamp.level, lamp.reason, lamp.wanted, lamp.why, lamp.override_left
        )
