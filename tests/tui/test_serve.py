"""The dashboard in a browser: a real server, real requests, and nobody gets in who should not."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from mypt.runs.identity import Alive
from mypt.runs.record import list_records
from tests.tui.logs import write_run
from tui.cli import main
from tui.page import page
from tui.serve import Server, is_ours

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals end it")


class Serving:
    """`mypt-tui --serve` as a process, and its address."""

    def __init__(self, workspace: Path, *arguments: str) -> None:
        command = [sys.executable, "-m", "tui.cli", str(workspace), "--serve", "--port", "0", *arguments]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        assert self.process.stdout is not None
        self.said = ""
        while (found := re.search(r"http://127\.0\.0\.1:(\d+)/([\w-]+)/", self.said)) is None:
            line = self.process.stdout.readline()
            assert line, self.said
            self.said += line
        self.address, self.port, self.token = found[0], int(found[1]), found[2]
        # The rest of what it says, up to the last line.
        while "Ctrl+C" not in self.said:
            self.said += self.process.stdout.readline()

    @property
    def host(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def children(self) -> list[int]:
        out = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True, check=False
        ).stdout
        return [int(pid) for pid in out.split()]

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(20)


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MYPT_CONFIG_DIR", str(tmp_path / "preferences"))
    write_run(tmp_path, "poems")
    return tmp_path


@pytest.fixture
def serving(workspace: Path) -> Iterator[Serving]:
    server = Serving(workspace)
    yield server
    with contextlib.suppress(ProcessLookupError):
        os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()


@contextlib.asynccontextmanager
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        yield session


async def screen_of(socket: aiohttp.ClientWebSocketResponse, *words: str) -> str:
    """What the terminal was sent, until it holds these words."""
    sent = b""
    deadline = time.monotonic() + 30
    while not all(word.encode() in sent for word in words):
        assert time.monotonic() < deadline, sent
        message = await socket.receive(timeout=30)
        assert message.type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT), message
        if message.type == aiohttp.WSMsgType.BINARY:
            sent += message.data
    return sent.decode()


async def test_the_address_shows_the_dashboard_and_quitting_it_closes_the_page(serving: Serving) -> None:
    assert f"ssh -L {serving.port}:127.0.0.1:{serving.port}" in serving.said.replace("-p ", "")
    async with client() as session:
        async with session.get(serving.address) as answer:
            assert answer.status == 200
            text = await answer.text()
            assert f"ws://127.0.0.1:{serving.port}/{serving.token}/ws" in text
            assert "http://" not in text and "https://" not in text, "nothing comes from elsewhere"
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        linked = re.findall(r'(?:src|href|url)[=(]"?(/[^")]+)', text)
        assert f"/{serving.token}/keys.js" in linked, "without it the first key needs a click"
        for name in linked:
            async with session.get(serving.host + name) as answer:
                assert answer.status == 200, name
                # What is not said to be a script, a browser that was told not to guess does not run.
                assert not name.endswith(".js") or "javascript" in answer.content_type, name
        url = f"{serving.address}ws?width=120&height=36"
        async with session.ws_connect(url, headers={"Origin": serving.host}) as socket:
            await screen_of(socket, "MyPT", "poems")
            assert len(serving.children) == 1
            await socket.send_json(["resize", {"width": 80, "height": 24}])
            await socket.send_str("no JSON")
            await socket.send_json(["stdin", "?"])
            await screen_of(socket, "Keys")
            await socket.send_json(["stdin", "\x11"])
            async with asyncio.timeout(30):
                while not socket.closed:
                    await socket.receive()
        await _until(lambda: not serving.children)
    assert serving.end() == 0


async def _until(holds, seconds: float = 60.0) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not become true"
        await asyncio.sleep(0.05)


async def test_nobody_gets_in_who_should_not(serving: Serving) -> None:
    socket_address = serving.address + "ws"
    ours = {"Origin": serving.host}
    async with client() as session:
        for path in (
            "/",
            "/ws",
            "/static/js/textual.js",
            "/keys.js",
            "/x/",
            f"/{serving.token[:-1]}/",
            f"/{serving.token}x/ws",
        ):
            async with session.get(serving.host + path) as answer:
                assert answer.status == 404, path
                assert serving.token not in await answer.text()
        for host in ("evil.example", f"evil.example:{serving.port}", "127.0.0.1.evil.example", "0.0.0.0"):
            async with session.get(serving.address, headers={"Host": host}) as answer:
                assert answer.status == 403, host
            assert await _refused(session, socket_address, {"Host": host, "Origin": f"http://{host}"}) == 403
        for origin in (
            "http://evil.example",
            "null",
            "http://127.0.0.1:1",
            f"https://127.0.0.1:{serving.port}",
        ):
            assert await _refused(session, socket_address, {"Origin": origin}) == 403, origin
            async with session.get(serving.address, headers={"Origin": origin}) as answer:
                assert answer.status == 403, origin
        assert await _refused(session, socket_address, {}) == 403
        assert await _refused(session, f"{serving.host}/ws", ours) == 404
        async with session.get(f"{serving.address}static/../../__init__.py") as answer:
            assert answer.status == 404
    assert not serving.children, "nothing was started for them"
    with pytest.raises(OSError):
        await asyncio.open_connection(_other_address(), serving.port)


async def _refused(session: aiohttp.ClientSession, url: str, headers: dict[str, str]) -> int:
    with pytest.raises(aiohttp.WSServerHandshakeError) as raised:
        await session.ws_connect(url, headers=headers)
    return raised.value.status


def _other_address() -> str:
    """An address of this machine that is not the one it listens on."""
    return "127.0.0.2" if sys.platform == "linux" else "::1"


async def test_a_forwarded_port_is_still_ours_and_ctrl_c_ends_all(serving: Serving) -> None:
    forwarded = {"Host": "localhost:9000", "Origin": "http://localhost:9000"}
    async with client() as session:
        async with session.get(serving.address, headers={"Host": "localhost:9000"}) as answer:
            assert "ws://localhost:9000/" in await answer.text()
        async with session.ws_connect(serving.address + "ws", headers=forwarded) as socket:
            await screen_of(socket, "MyPT")
            (child,) = serving.children
            assert await asyncio.to_thread(serving.end) == 0
    await _until(lambda: not _lives(child))


async def test_a_server_that_is_killed_leaves_no_dashboard_behind(serving: Serving) -> None:
    async with client() as session:
        socket = await session.ws_connect(serving.address + "ws", headers={"Origin": serving.host})
        await screen_of(socket, "MyPT")
        (child,) = serving.children
        serving.process.kill()
        await _until(lambda: not _lives(child))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return (
        Path(f"/proc/{pid}/stat").read_text().split(")")[-1].split()[0] != "Z"
        if Path("/proc").is_dir()
        else True
    )


@pytest.mark.slow
async def test_what_is_started_in_a_browser_outlives_page_and_server(workspace: Path) -> None:
    shutil.rmtree(workspace / "logs")
    (workspace / "configs").mkdir()
    preset = {
        "batch_size": 2, "block_size": 16, "vocab_size": 48, "n_embd": 16, "n_head": 2, "n_layer": 1, "dropout": 0.0,
        "bias": False, "tokenization": "char", "max_iters": 1_000_000, "eval_interval": 200, "eval_iters": 1,
    }  # fmt: skip
    (workspace / "configs" / "tiny_char.json").write_text(json.dumps(preset))

    def trains() -> bool:
        records = list_records(workspace).records
        trainer = records[0].trainer if records else None
        return trainer is not None and trainer.is_alive() is Alive.ALIVE

    serving = Serving(workspace)
    try:
        async with client() as session:
            url = f"{serving.address}ws?width=120&height=36"
            async with session.ws_connect(url, headers={"Origin": serving.host}) as socket:
                await screen_of(socket, "Try the demo")
                await socket.send_json(["stdin", "d"])
                await _until(trains, 60)
            await _until(lambda: not serving.children)
        assert trains(), "the page is closed"
        assert serving.end() == 0
        assert trains(), "the server has ended"
    finally:
        serving.process.kill()
        for record in list_records(workspace).records:
            for identity in (record.trainer, record.supervisor):
                if identity is not None and identity.is_alive() is Alive.ALIVE:
                    os.kill(identity.pid, signal.SIGKILL)


async def test_readonly_reaches_the_dashboard(workspace: Path) -> None:
    serving = Serving(workspace, "--readonly")
    try:
        assert "read-only" in serving.said
        async with (
            client() as session,
            session.ws_connect(
                f"{serving.address}ws?width=120&height=30", headers={"Origin": serving.host}
            ) as socket,
        ):
            await screen_of(socket, "read-only")
    finally:
        assert serving.end() == 0


def test_a_port_that_is_taken_is_said(workspace: Path, serving: Serving) -> None:
    command = [sys.executable, "-m", "tui.cli", str(workspace), "--serve", "--port", str(serving.port)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2
    assert f"--port {serving.port}: somebody else listens there" in result.stderr
    assert "Traceback" not in result.stderr


def test_flags_that_do_not_belong_together(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), "--port", "8000"]) == 2
    assert "--port belongs to --serve" in capsys.readouterr().err
    with pytest.raises(SystemExit) as raised:
        main([str(tmp_path), "--serve", "--port", "99999"])
    assert raised.value.code == 2
    assert "no port" in capsys.readouterr().err


def test_without_the_extra_the_command_that_installs_it_is_named(tmp_path: Path) -> None:
    code = f"import sys; sys.modules['textual_serve'] = None; from tui.cli import main; sys.exit(main([{str(tmp_path)!r}, '--serve']))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 2
    assert "pip install 'mypt[web]'" in result.stderr and "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("127.0.0.1:80", True),
        ("localhost", True),
        ("LOCALHOST:1", True),
        ("[::1]:8642", True),
        ("[::1", False),
        ("", False),
        ("localhost.evil.example", False),
        ("127.0.0.1@evil.example", False),
        ("localhost:80:80", False),
        ("localhost:evil", False),
    ],
)
def test_hosts(host: str, ours: bool) -> None:
    assert is_ours(host) is ours


def test_every_server_has_a_token_of_its_own(tmp_path: Path) -> None:
    tokens = {Server(tmp_path).token for _ in range(20)}
    assert len(tokens) == 20 and min(map(len, tokens)) >= 32


def test_a_name_cannot_break_out_of_the_page() -> None:
    assert "<script>alert" not in page('"><script>alert(1)</script>', "ws://x", "/s", "/k.js", readonly=False)
