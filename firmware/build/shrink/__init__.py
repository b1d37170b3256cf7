"""Makes sources smaller in the heap of a node without changing what they do or their line numbers.

Bytecode executed in place costs no heap, but every name does: an entry in the interpreter's table
of names, and a slot in the dict of its module. So before compilation, in all sources at once:

- integers of the module level that are assigned once are put in the place of their names;
- what nothing in the release refers to by any name is left out (what only the other end uses);
- tables named in TABLES become bytes that are decoded row by row when they are looked at;
- private names, and those of arguments that are never passed by keyword, are given short ones, the
  same ones in modules that know nothing of one another.

Everything is decided by name alone, whatever the object: a name that is ever bound to something
else, or appears in a text, is left as it is.
"""

import functools
from collections.abc import Iterable, Mapping

from firmware.build.shrink.integers import folded
from firmware.build.shrink.names import renamed
from firmware.build.shrink.tables import tabled
from firmware.build.shrink.unused import shaken


def shrunk(
    sources: Mapping[str, bytes], entries: Iterable[str], *, closed: bool
) -> dict[str, bytes]:
    """The sources by name, smaller.

    Args:
        sources: Python files by their name on the node, such as ``node/app.py``.
        entries: names that are called from outside.
        closed: nothing outside imports from these: public names are ours to remove too.

    Raises:
        BuildError: a file is no Python.
    """
    return dict(_shrunk(tuple(sources.items()), frozenset(entries), closed))


@functools.lru_cache(maxsize=16)
def _shrunk(
    sources: tuple[tuple[str, bytes], ...], entries: frozenset[str], closed: bool
) -> tuple[tuple[str, bytes], ...]:
    made = folded(dict(sources), closed=closed)
    if closed:
        made = shaken(tabled(made), entries)
    return tuple(renamed(made, closed=closed).items())
