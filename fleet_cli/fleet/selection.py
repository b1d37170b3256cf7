"""Which lampposts a command is about."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from fleet_cli.errors import BadInput
from fleet_cli.fleet.fleet import Fleet
from fleet_cli.fleet.lamppost import Lamppost


@dataclass(frozen=True)
class Selection:
    """Filters that must all hold; patterns know * and ?.

    Attributes:
        nodes: ids or names, of which each must exist; empty for any.
        gateways: gateway ids or patterns, one of which must match; empty for any.
        labels: (key, pattern, wanted): the label must match the pattern, or not where wanted is
            False.
    """

    nodes: tuple[str, ...] = ()
    gateways: tuple[str, ...] = ()
    labels: tuple[tuple[str, str, bool], ...] = ()

    @property
    def is_everything(self) -> bool:
        """Whether no filter is given."""
        return not (self.nodes or self.gateways or self.labels)

    def choose(self, fleet: Fleet) -> list[Lamppost]:
        """The lampposts of `fleet` selected, by gateway and name.

        Raises:
            BadInput: one of `nodes` is not there, or a gateway matches none.
        """
        chosen = fleet.sorted()
        if self.nodes:
            named = {fleet.find(node).key for node in self.nodes}
            chosen = [post for post in chosen if post.key in named]
        if self.gateways:
            known = {post.gateway for post in fleet.lampposts.values()} | set(fleet.gateways)
            for pattern in self.gateways:
                if not any(fnmatchcase(gateway, pattern) for gateway in known):
                    raise BadInput(f"no gateway {pattern!r} is known; see: lamplighter fleet list")
            chosen = [
                post
                for post in chosen
                if any(fnmatchcase(post.gateway, pattern) for pattern in self.gateways)
            ]
        for key, pattern, wanted in self.labels:
            chosen = [post for post in chosen if fnmatchcase(post.labels()[key], pattern) is wanted]
        return chosen


def parse_labels(texts: list[str]) -> tuple[tuple[str, str, bool], ...]:
    """`key=pattern` and `key!=pattern` as `Selection.labels`.

    Raises:
        BadInput: a text is neither, or its key is unknown.
    """
    known = Lamppost("", "").labels()
    labels: list[tuple[str, str, bool]] = []
    for text in texts:
        key, equals, pattern = text.partition("=")
        wanted = not key.endswith("!")
        key = key.removesuffix("!").strip()
        if not equals or key not in known:
            raise BadInput(
                f"-l {text}: expected KEY=PATTERN or KEY!=PATTERN with KEY one of "
                f"{', '.join(known)}"
            )
        labels.append((key, pattern.strip(), wanted))
    return tuple(labels)
