"""NVS of the update tests: values outlive a power cycle once committed."""

kept = {}  # survives
_drafts = {}  # does not
on_write = None  # called before a commit, may raise


def power_cycle():
    _drafts.clear()


class NVS:
    def __init__(self, namespace):
        assert namespace == "lamp"

    def set_i32(self, key, value):
        _drafts[key] = value

    def set_blob(self, key, value):
        _drafts[key] = bytes(value)

    def get_i32(self, key):
        return self._get(key, int)

    def get_blob(self, key, buffer):
        value = self._get(key, bytes)
        buffer[: len(value)] = value
        return len(value)

    def commit(self):
        if on_write is not None:
            on_write()
        kept.update(_drafts)

    def _get(self, key, kind):
        value = _drafts.get(key, kept.get(key))
        if not isinstance(value, kind):
            raise OSError(-0x1102, "ESP_ERR_NVS_NOT_FOUND")
        return value
