"""SMP group 0: echo, date and time, reset, parameters, information."""

import time

from protocol import smp
from protocol.busframe import MAX_PAYLOAD

from ..clock import EPOCH
from . import Refused, unsupported

# Zephyr's OS_MGMT_RET_RC_INVALID_FORMAT and OS_MGMT_RET_RC_RTC_NOT_SET.
_INVALID_FORMAT = 2
_RTC_NOT_SET = 4

# How long the reply to a reset has to get out.
RESET_DELAY_MS = 200


class OsGroup:
    """clock: a Clock. reset: called with a delay in ms. info: {format letter: text}."""

    def __init__(self, clock, reset, info):
        self._clock = clock
        self._reset = reset
        self._info = info

    async def handle(self, request):
        """Answer one request of this group."""
        command = request.command
        if command == smp.OS_ECHO:
            return self._echo(request.body)
        if command == smp.OS_DATETIME:
            return self._set_time(request) if request.writes else self._time()
        if command == smp.OS_RESET and request.writes:
            request.require_presence()
            self._reset(RESET_DELAY_MS)
            return {}
        if command == smp.OS_PARAMETERS and not request.writes:
            return {"buf_size": MAX_PAYLOAD, "buf_count": 1}
        if command == smp.OS_INFO and not request.writes:
            return self._information(request.body)
        raise unsupported()

    def _echo(self, body):
        text = body.get("d")
        if not isinstance(text, str):
            raise Refused(smp.MGMT_ERR_EINVAL, "field d: expected text")
        return {"r": text}

    def _time(self):
        now = self._clock.now()
        if not now:
            raise Refused(_RTC_NOT_SET, "", smp.GROUP_OS)
        return {"datetime": "%04d-%02d-%02dT%02d:%02d:%02dZ" % time.gmtime(now - EPOCH)[:6]}

    def _set_time(self, request):
        request.require_seal()
        reason = ""
        try:
            self._clock.set(parse_datetime(request.body.get("datetime")))
        except ValueError as error:
            reason = str(error)
        if reason:
            raise Refused(smp.MGMT_ERR_EINVAL, reason)
        return {}

    def _information(self, body):
        letters = body.get("format", "s")
        if not isinstance(letters, str) or not letters or len(letters) > 16:
            raise Refused(_INVALID_FORMAT, "", smp.GROUP_OS)
        parts = []
        # In the order of the letters here, not of those in the request, as Zephyr answers.
        for letter in "snrvbmpio":
            if letter in letters or "a" in letters:
                text = self._info.get(letter)
                if text:
                    parts.append(text)
        for letter in letters:
            if letter not in "snrvbmpioa":
                raise Refused(_INVALID_FORMAT, "", smp.GROUP_OS)
        return {"output": " ".join(parts)}


def parse_datetime(text):
    """Unix seconds of an RFC 3339 date and time, UTC when it names no zone. Raises ValueError."""
    expected = "datetime: expected YYYY-MM-DDThh:mm:ss[.fraction][Z|+hh:mm], got %r" % (text,)
    if not isinstance(text, str) or not 19 <= len(text) <= 40 or text[10] not in "Tt ":
        raise ValueError(expected)
    if text[4] + text[7] + text[13] + text[16] != "--::":
        raise ValueError(expected)
    fields = (text[:4], text[5:7], text[8:10], text[11:13], text[14:16], text[17:19])
    year, month, day, hour, minute, second = [_digits(field, expected) for field in fields]
    if not (1 <= month <= 12 and 1 <= day <= _month_days(year, month)):
        raise ValueError(expected)
    if hour > 23 or minute > 59 or second > 59:
        raise ValueError(expected)
    zone = text[19:]
    if zone[:1] == ".":
        at = 1
        while at < len(zone) and "0" <= zone[at] <= "9":
            at += 1
        if at == 1:
            raise ValueError(expected)
        zone = zone[at:]
    offset = 0
    if zone and zone not in ("Z", "z"):
        if len(zone) != 6 or zone[0] not in "+-" or zone[3] != ":":
            raise ValueError(expected)
        offset = _digits(zone[1:3], expected) * 3600 + _digits(zone[4:], expected) * 60
        if zone[0] == "-":
            offset = -offset
    # Days since 1970, counted in years that begin in March (H. Hinnant, "days_from_civil").
    year -= month <= 2
    era = year // 400
    years = year - era * 400
    days = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    days += years * 365 + years // 4 - years // 100 + era * 146097 - 719468
    return days * 86400 + hour * 3600 + minute * 60 + second - offset


def _digits(text, expected):
    for character in text:
        if not "0" <= character <= "9":
            raise ValueError(expected)
    return int(text)


def _month_days(year, month):
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31
