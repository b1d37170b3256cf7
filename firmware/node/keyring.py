"""Changing the keys of this node; protocol/keyring.py says how that goes.

Both copies of the identity are written before anything is answered. Where a write fails, what is in
force stays so, and it is tried again with the next message under the new key.
"""

from protocol import envelope, keyring, smp

from . import identity as identities
from .groups import Refused

_NONE = (0, 0)


def answer(request, identity, root, sealing, tell) -> dict:
    """Carry out a KEYS request.

    request: as the groups get it. identity: of `identity.load`, whose keys `sealing` uses, both
    changed in place. tell: called with the id of a group key that comes into force, or None.
    Raises Refused, ProtocolError, or OSError from the flash.
    """
    keys = identity["keys"]
    if request.writes:
        # Not from the door nor by the switch: only who has a key may say what the next one is.
        if not request.sealed or not request.key_id:
            request.require_seal()
            raise Refused(smp.STREET_ERR_INVALID, "not in a broadcast", smp.GROUP_STREET)
        key_id, key = keyring.parse_request(request.body)
        if key_id == request.key_id:
            raise _refused("key %d seals this very request" % key_id)
        if key is None:
            _remove(root, identity, key_id)
        elif _install(root, identity, key_id, key, request.key_id) and tell is not None:
            tell(key_id)
    pending = identity.get("next", _NONE)[0]
    lowest = [(key_id, sealing.lowest(key_id)) for key_id in sorted(keys)]
    return keyring.keys_reply(pending, lowest)


def proved(root, identity, key_id) -> bool:
    """A message was accepted under `key_id`; True when that has retired the key before it.

    Raises OSError when the flash does not take it; both keys then stay good.
    """
    following, old = identity.get("next", _NONE)
    if key_id != following:
        return False
    keys = dict(identity["keys"])
    keys.pop(old, None)
    _store(root, identity, keys, None)
    return True


def _install(root, identity, key_id, key, under) -> bool:
    """True when it is in force at once, as a group key is."""
    keys = dict(identity["keys"])
    following = identity.get("next")
    if keys.get(key_id) == key:
        return False  # the reply to it was lost
    group = envelope.is_group_key(key_id)
    if not group:
        if following is not None and following[0] == under:
            raise _refused("key %d has just come; send something under it first" % under)
        # One that nobody has used yet is replaced: the gateway may have lost it.
        if following is not None:
            keys.pop(following[0], None)
        if key_id in keys:
            raise _refused("key %d is in use; give the new one another id" % key_id)
        following = [key_id, under]
    if len(keys) >= keyring.MAX_KEYS and key_id not in keys:
        raise _refused("%d keys are here, at most as many fit; remove one" % len(keys))
    keys[key_id] = key
    _store(root, identity, keys, following)
    return group


def _remove(root, identity, key_id):
    keys = dict(identity["keys"])
    following = identity.get("next")
    if keys.pop(key_id, None) is None:
        return
    if following is not None and key_id in following:
        # The new one is removed: back to the one before. The old one is: it need not be retired.
        following = None
    _store(root, identity, keys, following)


def _store(root, identity, keys, following):
    """Write a changed identity, then put it in force in place."""
    new = dict(identity)
    new["keys"] = keys
    new.pop("next", None)
    if following is not None:
        new["next"] = following
    identities.store(root, new)
    kept = identity["keys"]
    for key_id in list(kept):
        if key_id not in keys:
            del kept[key_id]
    kept.update(keys)
    identity.pop("next", None)
    if following is not None:
        identity["next"] = following


def _refused(text):
    return Refused(smp.STREET_ERR_INVALID, text, smp.GROUP_STREET)
