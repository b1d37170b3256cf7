"""Which groups lampposts are in, by their own word."""

from __future__ import annotations

from typing import Any

from gateway.lampposts import management
from gateway.lampposts.lamppost import Lamppost


class Memberships:
    """Asks each lamppost once for each configuration that it has had."""

    def __init__(self) -> None:
        # By node: digest of the configuration that said so, and lamp/groups.
        self._groups: dict[bytes, tuple[Any, int]] = {}

    def known(self, lamppost: Lamppost) -> int | None:
        """Its groups, bit 0 for group 1; None when it has to be asked."""
        known = self._groups.get(lamppost.node)
        return known[1] if known and known[0] == _digest(lamppost) else None

    async def groups_of(self, lamppost: Lamppost) -> int:
        """As `known`, asked where need be. Raises as Session.ask."""
        groups = self.known(lamppost)
        if groups is None:
            digest = _digest(lamppost)
            groups = await management.lamp_groups(lamppost)
            self._groups[lamppost.node] = (digest, groups)
        return groups


def _digest(lamppost: Lamppost) -> Any:
    return (lamppost.facts or {}).get("configuration_digest")
