"""The power goes at writes of a life, and again at writes of the life that follows.

For lives that are quickly lived from their beginning; imported by the scripts that sweep them.
"""

import vfs
from blocks import BLOCK, Blocks, Cut, format_and_mount, remount

_MANY = 1_000_000


def prepared(count, make):
    """The contents of a flash of `count` blocks after `make`, with /f mounted, has written it."""
    blocks = Blocks(count)
    format_and_mount(blocks, "/f")
    make()
    vfs.umount("/f")
    return blocks.data


def sweep(base, promises, life, check, how, stride, again, further):
    """Cut every `stride`-th write of `life`, then of the next life every `further`-th.

    The latter after every `again`-th cut of the former, each time others of its writes.
    base: contents of the flash before. promises: dict of what others were told by then.
    life(promises): opens everything anew, goes on whatever is done already, and notes what it
    promises. check(promises): with the power back, raises unless all of that holds and it goes on.
    how: "clean" or "torn". Prints how many writes and cut points there were.
    """
    torn = how == "torn"
    whole = Blocks(len(base) // BLOCK, base)
    vfs.mount(vfs.VfsLfs2(whole), "/f")
    whole.left = _MANY
    life(dict(promises))
    writes = _MANY - whole.left
    remount(whole, "/f")
    vfs.umount("/f")
    points = seconds = 0
    for left in range(0, writes, stride):
        told = dict(promises)
        after = _cut(base, told, life, check, torn, left)
        if after is None:
            raise AssertionError("expected %d writes, %d were enough" % (writes, left))
        points += 1
        if points % again:
            continue
        second = points // again % further
        while _cut(after, dict(told), life, check, torn, second) is not None:
            second += further
            seconds += 1
    print("writes", writes, "cut points", points, "second cuts", seconds)


def _cut(base, promises, life, check, torn, left):
    """Contents of the flash whose power went after `left` writes, None when life was over."""
    blocks = Blocks(len(base) // BLOCK, base)
    vfs.mount(vfs.VfsLfs2(blocks), "/f")
    blocks.left = left
    blocks.torn = torn
    after = None
    try:
        life(promises)
    except Cut:
        after = bytes(blocks.data)
    told = dict(promises)
    for _ in range(2):  # what goes on after the cut has to last as well
        blocks = remount(blocks, "/f")
        check(told)
    vfs.umount("/f")
    return after
