"""Who may use the page: a one-time code opens a session, and a session ends by itself."""

from __future__ import annotations

import hmac
import math
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.errors import GatewayError

# Crockford's alphabet: nothing that is mistaken for something else. Ten of 32 are 50 bits.
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH: Final = 10
_MISTAKEN: Final = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, " ": None})
# One phone that types wrong so often is shut out for a while; all together, and the code is void:
# at 20 guesses of 2**50 nobody has a chance, and nobody on the network can lock out everybody.
_MOST_WRONG: Final = 5
_SHUT_OUT_S: Final = 300.0
_MOST_WRONG_IN_ALL: Final = 20
_MOST_PEERS: Final = 64
_MOST_SESSIONS: Final = 4
# However busy it is.
_LONGEST_SESSION_S: Final = 12 * 3600.0


class NotLetIn(GatewayError):
    """The code is not right, or nobody is let in at the moment; the text says what to do."""


@dataclass
class Session:
    """One phone that is logged in.

    Attributes:
        token: the secret in its cookie.
        csrf: the secret that each of its requests which change something carries besides.
        began: machine time, s.
        used: the same, of its last request.
    """

    token: str
    csrf: str
    began: float
    used: float


class Access:
    """One code at a time, good once and for `code_s`; sessions that end when idle for `idle_s`."""

    def __init__(
        self, code_s: float, idle_s: float, machine_time: Callable[[], float] = time.monotonic
    ) -> None:
        self._code_s = code_s
        self._idle_s = idle_s
        self._now = machine_time
        self._code = ""
        self._code_ends = 0.0
        self._wrong_in_all = 0
        self._wrong: dict[str, tuple[int, float]] = {}
        self._sessions: dict[str, Session] = {}

    def new_code(self) -> str:
        """A fresh code, such as `7H2KM-Q4XTB`; the one before is void."""
        self._code = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
        self._code_ends = self._now() + self._code_s
        self._wrong_in_all = 0
        return f"{self._code[: _LENGTH // 2]}-{self._code[_LENGTH // 2 :]}"

    def enter(self, typed: str, peer: str) -> Session:
        """Log in who typed the code at the address `peer`. Raises NotLetIn."""
        now = self._now()
        wrong, until = self._wrong.get(peer, (0, 0.0))
        if wrong >= _MOST_WRONG and now < until:
            raise NotLetIn(f"too many wrong codes; wait {math.ceil(until - now)} s")
        if not self._code or now >= self._code_ends:
            raise NotLetIn("there is no code at the moment; make one: lamplighter-gateway web-code")
        plain = typed[:40].strip().upper().translate(_MISTAKEN)
        if not hmac.compare_digest(plain.encode(), self._code.encode()):
            self._count(peer, 0 if now >= until else wrong, now)
            raise NotLetIn("that is not the code; compare it with what the gateway printed")
        self._code = ""
        self._wrong.pop(peer, None)
        self._sweep(now)
        while len(self._sessions) >= _MOST_SESSIONS:
            del self._sessions[min(self._sessions.values(), key=lambda one: one.used).token]
        session = Session(secrets.token_urlsafe(32), secrets.token_urlsafe(32), now, now)
        self._sessions[session.token] = session
        return session

    def session(self, token: str | None) -> Session | None:
        """The session of a cookie, which thereby goes on."""
        now = self._now()
        self._sweep(now)
        session = self._sessions.get(token) if token and len(token) < 100 else None
        if session is not None:
            session.used = now
        return session

    def leave(self, session: Session) -> None:
        """Log out."""
        self._sessions.pop(session.token, None)

    def _count(self, peer: str, wrong: int, now: float) -> None:
        if peer not in self._wrong and len(self._wrong) >= _MOST_PEERS:
            del self._wrong[min(self._wrong, key=lambda one: self._wrong[one][1])]
        self._wrong[peer] = (wrong + 1, now + _SHUT_OUT_S)
        self._wrong_in_all += 1
        if self._wrong_in_all >= _MOST_WRONG_IN_ALL:
            self._code = ""

    def _sweep(self, now: float) -> None:
        for session in list(self._sessions.values()):
            if now - session.used > self._idle_s or now - session.began > _LONGEST_SESSION_S:
                del self._sessions[session.token]
