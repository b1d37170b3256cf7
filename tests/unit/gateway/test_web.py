"""The commissioning page: who is let in, and what becomes of everything else that comes."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway import logs
from gateway.buffer.database import open_checked
from gateway.buffer.state import State
from gateway.buffer.writer import Writer
from gateway.config import WebSection
from gateway.web import certificate
from gateway.web.access import Access, NotLetIn
from gateway.web.app import control, page
from tests.unit.gateway.commission_town import LitNode, Town
from tests.unit.gateway.test_adoption import NOW

HOST = "127.0.0.1:8443"
ORIGIN = f"https://{HOST}"


class Machine:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


# ---------------------------------------------------------------------------------------- access


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def access(machine: Machine) -> Access:
    return Access(600, 1800, machine)


def test_a_code_lets_in_once_however_it_is_typed(access: Access) -> None:
    code = access.new_code()
    assert re.fullmatch(r"[0-9A-Z]{5}-[0-9A-Z]{5}", code)
    session = access.enter(f" {code.lower().replace('-', ' ').replace('0', 'o')} ", "phone")
    assert access.session(session.token) is session
    with pytest.raises(NotLetIn, match="no code at the moment"):
        access.enter(code, "phone")


def test_a_code_ends_by_itself_and_with_the_next(access: Access, machine: Machine) -> None:
    first = access.new_code()
    second = access.new_code()
    with pytest.raises(NotLetIn, match="not the code"):
        access.enter(first, "phone")
    machine.now += 600
    with pytest.raises(NotLetIn, match="no code at the moment"):
        access.enter(second, "phone")


def test_who_types_wrong_is_shut_out_for_a_while_and_nobody_else_is(
    access: Access, machine: Machine
) -> None:
    code = access.new_code()
    for _ in range(5):
        with pytest.raises(NotLetIn, match="not the code"):
            access.enter("0000000000", "guesser")
    with pytest.raises(NotLetIn, match="wait 300 s"):
        access.enter(code, "guesser")
    machine.now += 301
    assert access.enter(code, "guesser")


def test_many_guessers_together_make_the_code_void(access: Access) -> None:
    code = access.new_code()
    for number in range(20):
        with pytest.raises(NotLetIn):
            access.enter("x", f"peer {number}")
    with pytest.raises(NotLetIn, match="no code at the moment"):
        access.enter(code, "phone")
    for number in range(1000):
        with pytest.raises(NotLetIn):
            access.enter("x", f"peer {number}")
    assert len(vars(access)["_wrong"]) <= 64


def test_a_session_ends_when_idle_when_old_and_when_left(access: Access, machine: Machine) -> None:
    session = access.enter(access.new_code(), "phone")
    for _ in range(24):
        machine.now += 1790
        assert access.session(session.token) is session
    machine.now += 1790
    assert access.session(session.token) is None, "after twelve hours, however busy"
    session = access.enter(access.new_code(), "phone")
    machine.now += 1801
    assert access.session(session.token) is None
    session = access.enter(access.new_code(), "phone")
    access.leave(session)
    assert access.session(session.token) is None


def test_the_fifth_phone_takes_the_place_of_the_idlest(access: Access, machine: Machine) -> None:
    sessions: list[Any] = []
    for number in range(5):
        machine.now += 1
        sessions.append(access.enter(access.new_code(), f"phone {number}"))
    assert [access.session(one.token) is not None for one in sessions] == [False] + [True] * 4


# ------------------------------------------------------------------------------------------ page


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[Town]:
    writer = Writer(open_checked(tmp_path / "gateway.db", logs.get()), lambda _: None)
    writer.start()
    made = Town(tmp_path, State(writer), [LitNode(1)])
    yield made
    await made.desk.close()
    writer.close()


class Phone:
    """A browser, as far as its requests go."""

    def __init__(self, town: Town) -> None:
        self.access = Access(600, 1800)
        self.app: Any = page("cabinet-1", WebSection.model_validate({}), town.desk, self.access)
        self.client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app), base_url=ORIGIN, headers={"host": HOST}
        )
        self.token = ""

    async def log_in(self) -> httpx.Response:
        answer = await self.client.post(
            "/login", data={"code": self.access.new_code()}, headers={"origin": ORIGIN}
        )
        shell = await self.client.get("/")
        self.token = re.findall(r'name="token" content="([^"]+)"', shell.text)[0]
        return answer

    async def post(self, path: str, **body: Any) -> httpx.Response:
        headers = {"origin": ORIGIN, "x-lamplighter": self.token}
        return await self.client.post(path, json=body, headers=headers)


@pytest.fixture
async def phone(town: Town) -> AsyncIterator[Phone]:
    made = Phone(town)
    async with made.client:
        yield made


async def test_the_code_opens_a_session_whose_cookie_stays_where_it_is(phone: Phone) -> None:
    assert (await phone.client.get("/")).headers["location"] == "/login"
    wrong = await phone.client.post("/login", data={"code": "1"}, headers={"origin": ORIGIN})
    assert wrong.status_code == 403
    answer = await phone.log_in()
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-lamplighter=")
    for word in ("HttpOnly", "Secure", "SameSite=strict", "Path=/"):
        assert word in cookie
    assert (await phone.client.get("/api/state")).json()["gateway"] == "cabinet-1"
    assert (await phone.post("/logout")).status_code == 204
    assert (await phone.client.get("/api/state")).status_code == 401


async def test_a_lamppost_is_adopted_renamed_blinked_and_reported_and_no_key_comes_back(
    phone: Phone, town: Town
) -> None:
    await phone.log_in()
    node = town.nodes[0]
    town.unknown.seen(node.id, "bus:north", 1)
    answers = [await phone.post("/api/adopt", label=node.label, name="first")]
    path = f"/api/lamppost/{node.hex}"
    answers += [
        await phone.post(f"{path}/rename", name="second"),
        await phone.post(f"{path}/blink", seconds=20),
        await phone.post(f"{path}/seen", step="blink", seen=True),
        await phone.post(f"{path}/light", levels=[30], hold_s=0.1),
    ]
    await town.ended(node.hex)
    answers += [
        await phone.post(f"{path}/seen", step="light", seen=True),
        await phone.post(f"{path}/check"),
    ]
    await town.ended(node.hex)
    answers += [await phone.client.get(path), await phone.client.get("/api/report")]
    answers += [await phone.post("/api/report"), await phone.client.get("/report")]
    assert [answer.status_code for answer in answers] == [200] * len(answers)
    results = answers[7].json()["results"]
    assert (results["light"]["verdict"], results["blink"]["verdict"]) == ("pass", "pass")
    for answer in answers:
        assert node.key.hex() not in answer.text.lower()


async def test_what_cannot_be_done_says_why_and_shows_no_key(phone: Phone, town: Town) -> None:
    await phone.log_in()
    node = town.nodes[0]
    cases = [
        ("/api/adopt", {"label": node.label}, 422, "search for it"),
        ("/api/adopt", {"label": node.label[:-1]}, 422, "expected LAMPLIGHTER:1"),
        ("/api/adopt", {"label": node.label, "name": ""}, 422, "name"),
        ("/api/adopt", {"id": node.hex, "key": "0" * 31}, 422, "32 hexadecimal"),
        ("/api/adopt", {"key": node.key.hex(), "keys": 1}, 422, "keys"),
        ("/api/adopt", {"label": node.label, "bus": "south", "address": 1}, 422, "south"),
        ("/api/lamppost/a0b1c2d3e4f5/blink", {}, 404, "adopt it first"),
        ("/api/lamppost/x/light", {"levels": [101]}, 422, "levels"),
        ("/api/lamppost/x/light", {"levels": [1] * 9}, 422, "levels"),
        ("/api/lamppost/x/skip", {"step": "identity"}, 422, "step"),
    ]
    for path, body, status, why in cases:
        answer = await phone.post(path, **body)
        assert (answer.status_code, why in answer.json()["error"]) == (status, True), answer.text
        assert node.key.hex()[:-1].lower() not in answer.text.lower()


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/api/state", {"host": "evil.example"}, 421),
        ("GET", "/api/state", {"host": f"{HOST}.evil.example"}, 421),
        ("GET", "/login", {"host": ""}, 421),
        ("POST", "/api/search", {"origin": "https://evil.example"}, 403),
        ("POST", "/api/search", {"origin": "null"}, 403),
        ("POST", "/api/search", {}, 403),
        ("POST", "/api/search", {"origin": ORIGIN}, 403),
        ("POST", "/api/search", {"origin": ORIGIN, "x-lamplighter": "guess"}, 403),
        ("POST", "/login", {"origin": "https://evil.example"}, 403),
        ("DELETE", "/api/state", {}, 405),
        ("OPTIONS", "/api/state", {"origin": ORIGIN}, 405),
        ("GET", "/static/../access.py", {}, 404),
        ("GET", "/static/%2e%2e%2faccess.py", {}, 404),
        ("POST", "/api/search", {"origin": ORIGIN, "content-length": "5000"}, 413),
    ],
)
async def test_a_page_from_elsewhere_can_do_nothing_even_with_the_cookie(
    phone: Phone, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    await phone.log_in()
    answer = await phone.client.request(method, path, headers={"host": HOST, **headers})
    assert answer.status_code == status
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert "access-control-allow-origin" not in answer.headers


async def test_a_body_that_does_not_end_is_cut_off(phone: Phone) -> None:
    await phone.log_in()

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(10_000):
            yield b" " * 1000

    headers = {"origin": ORIGIN, "x-lamplighter": phone.token, "content-type": "application/json"}
    answer = await phone.client.post("/api/adopt", content=endless(), headers=headers)
    assert answer.status_code == 413


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The page, for who is not logged in: it touches no disk."""
    folder = tmp_path_factory.mktemp("town")
    writer = Writer(open_checked(folder / "gateway.db", logs.get()), lambda _: None)
    writer.start()
    town = Town(folder, State(writer), [])
    yield page("cabinet-1", WebSection.model_validate({}), town.desk, Access(600, 1800))
    writer.close()


_PATHS = st.sampled_from([
    "/", "/events", "/report", "/logout", "/static/app.js", "/static/report.css", "/api/state",
    "/api/adopt", "/api/report", "/api/search", "/api/lamppost/a0b1c2d3e4f5",
    "/api/lamppost/a0b1c2d3e4f5/blink", "/api/web-code", "/login/", "//login", "/LOGIN",
    "/static/style.css/", "/static/style.css%00",
]) | st.text(max_size=60).map(lambda text: f"/{text}")  # fmt: skip
_HEADERS = st.lists(
    st.tuples(
        st.sampled_from([
            b"cookie", b"origin", b"x-lamplighter", b"content-length", b"content-type",
            b"transfer-encoding", b"x-forwarded-host", b"authorization", b"host",
        ]),
        st.binary(max_size=60)
        | st.sampled_from([ORIGIN.encode(), b"__Host-lamplighter=", b"__Host-lamplighter=a;b",
                           b"application/json"]),
    ),
    max_size=6,
)  # fmt: skip


async def _raw(
    app: Any, method: str, path: str, headers: list[tuple[bytes, bytes]], body: bytes
) -> tuple[int, bytes]:
    """(status, body) of one ASGI request, whatever is in it."""
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
        "scheme": "https", "path": path, "raw_path": path.encode(), "query_string": body[:20],
        "headers": headers, "client": ("192.168.4.20", 1), "server": ("127.0.0.1", 8443),
    }  # fmt: skip
    sent: list[Any] = []
    given_ = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        return given_.pop() if given_ else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    whole = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], whole


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    method=st.sampled_from(["GET", "HEAD", "POST", "PUT", "TRACE", "get", ""]),
    path=_PATHS,
    headers=_HEADERS,
    body=st.binary(max_size=200),
)
async def test_who_is_not_logged_in_gets_the_login_page_and_nothing_else(
    stranger: Any, method: str, path: str, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    host = [(b"host", HOST.encode())]
    status, answer = await _raw(stranger, method, path, host + headers, body)
    if path not in ("/login", "/static/style.css"):
        assert status in (303, 400, 401, 403, 405, 413, 421), (status, answer)
        assert len(answer) < 200


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=st.binary(max_size=300) | st.text(max_size=60).map(lambda t: f"code={t}".encode()))
async def test_no_form_crashes_the_login_page(stranger: Any, body: bytes) -> None:
    headers = [(b"host", HOST.encode()), (b"origin", ORIGIN.encode())]
    status, answer = await _raw(stranger, "POST", "/login", headers, body)
    assert status in (400, 403)
    assert b"One-time code" in answer


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    path=st.sampled_from(
        ["/api/adopt", "/api/search", "/api/report", "/api/web-code"]
        + [f"/api/lamppost/a0b1c2d3e4f5/{verb}"
           for verb in ("rename", "blink", "light", "check", "seen", "skip", "stop")]
    ),
    body=st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
        lambda inner: st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["label", "id", "key", "name", "levels", "hold_s", "step", "seen"])
            | st.text(max_size=8),
            inner, max_size=5,
        ),
        max_leaves=12,
    ).map(lambda value: __import__("json").dumps(value).encode())
    | st.just(b"[" * 4000),
)  # fmt: skip
async def test_no_body_gets_more_than_a_refusal_out_of_the_desk(
    town: Town, path: str, body: bytes
) -> None:
    app = control(town.desk, lambda: {"code": ""})
    headers = [(b"host", b"x"), (b"content-type", b"application/json")]
    status, answer = await _raw(app, "POST", path, headers, body)
    if path != "/api/web-code" and body.strip() != b"{}":
        assert status in (400, 404, 409, 413, 422) or path.endswith(("stop", "search", "report"))
        assert len(answer) < 2000


# ------------------------------------------------------------------------------- configuration


@pytest.mark.parametrize("address", ["0.0.0.0", "8.8.8.8", "gateway", "::1"])
def test_the_page_is_only_for_the_local_network(address: str) -> None:
    with pytest.raises(ValidationError):
        WebSection.model_validate({"enabled": True, "address": address})


def test_the_page_is_off_loopback_and_tls_unless_somebody_says_otherwise() -> None:
    plain = WebSection.model_validate({})
    assert (plain.enabled, plain.tls, plain.url) == (False, True, "https://127.0.0.1:8443/")


def test_the_certificate_is_made_once_and_known_by_its_fingerprint(tmp_path: Path) -> None:
    file = certificate.ensure(tmp_path, "192.168.4.1", NOW)
    told = certificate.fingerprint(file)
    assert re.fullmatch(r"([0-9A-F]{2}:){31}[0-9A-F]{2}", told)
    assert certificate.fingerprint(certificate.ensure(tmp_path, "192.168.4.1", NOW)) == told
    assert file.stat().st_mode & 0o077 == 0
