"""SMP group 3: the configuration, as one document or field by field.

"network" is the document that says how the local network is reached: written or deleted whole,
sealed or with the service switch closed, and read without its secrets (protocol.network).

"configuration" reads and replaces the whole document. A field is read by its name, as CBOR; fields
written or deleted are staged, in memory alone, and come into force together with "commit", under
the version of the document they change: its digest then tells that it was changed by hand. "load"
forgets what is staged; "save" has nothing left to do, since what is in force is on flash.
"""

from protocol import cbor, configuration, smp

from . import Refused, unsupported

DOCUMENT = "configuration"
_NETWORK = "network"


class SettingsGroup:
    """settings: the Settings store. network: called, gives the NetworkFile; None without one."""

    def __init__(self, settings, network=None):
        self._settings = settings
        self._network = network
        # Field: value, or None to go back to the default.
        self._staged = {}

    async def handle(self, request):
        """Answer one request of this group."""
        command = request.command
        if self._network is not None and request.body.get("name") == _NETWORK:
            return self._network_document(request)
        if command == smp.SETTINGS_READ_WRITE and not request.writes:
            return self._read(request.body)
        if command not in (
            smp.SETTINGS_READ_WRITE,
            smp.SETTINGS_DELETE,
            smp.SETTINGS_COMMIT,
            smp.SETTINGS_LOAD_SAVE,
        ):
            raise unsupported()
        if command != smp.SETTINGS_LOAD_SAVE and not request.writes:
            raise unsupported()
        request.require_seal()
        if command == smp.SETTINGS_READ_WRITE:
            self._write(request.body)
        elif command == smp.SETTINGS_DELETE:
            self._staged[self._field(request.body)] = None
        elif command == smp.SETTINGS_COMMIT:
            self._commit()
        elif not request.writes:
            self._staged = {}
        return {}

    def _network_document(self, request):
        network = self._network()  # pyright: ignore - asked only where there is one
        command = request.command
        if command == smp.SETTINGS_READ_WRITE and not request.writes:
            return {"val": network.public()}
        if command not in (smp.SETTINGS_READ_WRITE, smp.SETTINGS_DELETE) or not request.writes:
            raise unsupported()
        request.require_switch()
        if command == smp.SETTINGS_DELETE:
            reason = network.remove()
        else:
            value = request.body.get("val")
            if not isinstance(value, bytes):
                raise Refused(smp.MGMT_ERR_EINVAL, "field val: expected a byte string")
            reason = network.apply(value)
        if reason:
            raise Refused(smp.MGMT_ERR_EINVAL, reason)
        return {}

    def _read(self, body):
        name = body.get("name")
        if name == DOCUMENT:
            value = self._settings.document()
        else:
            value = cbor.dumps(self._settings.values[self._field(body)])
        most = body.get("max_size")
        if isinstance(most, int) and 0 <= most < len(value):
            raise Refused(smp.MGMT_ERR_EMSGSIZE, "the value has %d bytes" % len(value))
        return {"val": value}

    def _write(self, body):
        value = body.get("val")
        if not isinstance(value, bytes):
            raise Refused(smp.MGMT_ERR_EINVAL, "field val: expected a byte string")
        if body.get("name") == DOCUMENT:
            self._apply(value)
            return
        name = self._field(body)
        decoded = cbor.loads(value)
        problems = configuration.field_problems(name, decoded)
        if problems:
            raise Refused(smp.MGMT_ERR_EINVAL, problems[0])
        self._staged[name] = decoded

    def _commit(self):
        given = dict(self._settings.given)
        for name, value in self._staged.items():
            if value is None:
                given.pop(name, None)
            else:
                given[name] = value
        self._apply(configuration.document(self._settings.version, given))

    def _apply(self, document):
        reason = self._settings.apply(document)
        if reason:
            raise Refused(smp.MGMT_ERR_EINVAL, reason[:200])
        self._staged = {}

    def _field(self, body):
        name = body.get("name")
        if not isinstance(name, str) or name not in self._settings.values:
            raise Refused(smp.MGMT_ERR_ENOENT, "no such field")
        return name
