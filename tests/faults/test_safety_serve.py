"""The dashboard in a browser, asked for by those who should not: raw requests of every odd kind, answered with a refusal."""

from __future__ import annotations

import ast
import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.faults.rounds import draw, times
from tui import serve
from tui.serve import Server

TOKEN = "right-token-of-the-test"


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    """The server's own application on a free port of this machine. No dashboard is started: nobody gets so far."""
    server = Server(tmp_path, token=TOKEN)
    runner = web.AppRunner(server.application(), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    listener = serve._listen(0)
    assert listener.getsockname()[0] == "127.0.0.1"
    await web.SockSite(runner, listener).start()
    yield listener.getsockname()[1]
    assert not server._sessions, "no page was opened"
    await runner.cleanup()


async def ask(port: int, raw: bytes) -> bytes:
    """What the server answers to these bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(raw)
        await writer.drain()
        return await asyncio.wait_for(reader.read(1 << 20), 30)
    except ConnectionError:
        return b""
    finally:
        writer.close()


def request(path: str, host: str | None, origin: str | None = None, **more: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", *([f"Host: {host}"] if host is not None else []), "Connection: close"]
    lines += [f"Origin: {origin}"] if origin is not None else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in more.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


UPGRADE = {
    "Upgrade": "websocket",
    "Sec_WebSocket_Version": "13",
    "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.mark.parametrize(
    "host",
    [
        *(
            "evil.example",
            "evil.example:80",
            "127.0.0.1.nip.io",
            "localhost.",
            "0.0.0.0",
            "[::]",
            "127.1",
            "2130706433",
        ),
        *(
            "127.0.0.1@evil.example",
            "evil.example#127.0.0.1",
            "127.0.0.1, evil.example",
            "localhost:80@evil",
            "",
            "0",
        ),
        *("127.0.0.2", "[::ffff:127.0.0.1]", "xn--localhost", "localhost%00.evil"),
    ],
)
async def test_a_name_that_was_bent_here_gets_nothing(port: int, host: str) -> None:
    for path in (f"/{TOKEN}/", f"/{TOKEN}/ws", f"/{TOKEN}/static/js/textual.js"):
        answer = await ask(port, request(path, host, f"http://{host}"))
        assert answer.split(b" ")[1] in (b"400", b"403"), answer[:200]
        assert TOKEN.encode() not in answer


@pytest.mark.parametrize(
    "origin", ["null", "http://evil.example", "https://127.0.0.1:{port}", "http://127.0.0.1", "file://", ""]
)
async def test_a_page_from_elsewhere_opens_no_socket(port: int, origin: str) -> None:
    own = f"127.0.0.1:{port}"
    answer = await ask(port, request(f"/{TOKEN}/ws", own, origin.format(port=port), **UPGRADE))
    assert answer.split(b" ")[1] == b"403", answer[:200]


async def test_a_socket_is_only_for_a_page_that_says_whose_it_is(port: int) -> None:
    answer = await ask(port, request(f"/{TOKEN}/ws", f"127.0.0.1:{port}", **UPGRADE))
    assert answer.split(b" ")[1] == b"403"


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/",
            "/ws",
            "/%ff%fe/",
            f"/{TOKEN[:-1]}/",
            f"/{TOKEN}x/",
            f"/{TOKEN.upper()}/",
            f"//{TOKEN}/",
            "/" + "x" * 5000,
        ),
        *(
            "/%00/",
            "/é/",
            f"/x/../{TOKEN}/static/..%2f..%2fserve.py",
            "/?token=x",
            f"/?{TOKEN}",
            "/robots.txt",
            "/\udc80/",
        ),
    ],
)
async def test_without_the_token_there_is_nothing(port: int, path: str) -> None:
    own = f"127.0.0.1:{port}"
    answer = await ask(port, request(path, own))
    assert answer.split(b" ")[1] in (b"404", b"400"), answer[:300]
    assert (
        TOKEN.encode() not in answer.replace(path.encode("latin-1", "replace"), b"")
        and b"Traceback" not in answer
    )


@pytest.mark.parametrize(
    "path", ["..%2f..%2fserve.py", "../../serve.py", "%2e%2e/%2e%2e/page.py", "/etc/passwd", "..\\..\\x"]
)
async def test_only_files_of_the_page_are_handed_out(port: int, path: str) -> None:
    answer = await ask(port, request(f"/{TOKEN}/static/{path}", f"127.0.0.1:{port}"))
    assert (
        answer.split(b" ")[1] in (b"403", b"404", b"400")
        and b"import" not in answer
        and b"root:" not in answer
    )


async def test_garbage_breaks_nothing(port: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    # Whoever loses the line of its origin may have the page; whoever is called by another name may not.
    bent = request(f"/{TOKEN}/", "evil.example", "http://evil.example")
    for number in range(times(30, 3000)):
        chance = draw("serve", number)
        raw = bytearray(bent)
        for _ in range(chance.choice((1, 3, 20))):
            raw[chance.randrange(len(raw))] = chance.randrange(256)
        # The second request ends the connection, whatever was made of the first.
        cut = bytes(raw[: chance.randint(1, len(raw))]) + b"\r\n\r\n"
        answer = await ask(port, cut + request("/", f"127.0.0.1:{port}"))
        assert not answer or b" 500 " not in answer.split(b"\r\n")[0], answer[:300]
        assert b'id="terminal"' not in answer
    answer = await ask(port, request(f"/{TOKEN}/", f"127.0.0.1:{port}"))
    assert answer.startswith(b"HTTP/1.1 200") and b"no-referrer" in answer
    said = "\n".join(record.getMessage() for record in caplog.records)
    assert TOKEN not in said, "the token stands in no log"


def test_tokens_are_compared_in_constant_time() -> None:
    """A comparison that ends at the first wrong letter would tell how many were right."""
    tree = ast.parse(Path(serve.__file__).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            assert "token" not in ast.unparse(node), ast.unparse(node)
    assert "hmac.compare_digest" in ast.unparse(tree)
