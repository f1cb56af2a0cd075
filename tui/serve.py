"""`mypt-tui --serve`: the same dashboard in a browser, on this machine alone and behind a token in the address.

Whoever opens the page may start and stop trainings, so nobody else gets in: the server listens on 127.0.0.1, every
path begins with a random token, the Host header must name this machine (a foreign name that leads here is DNS
rebinding), and a websocket must come from our own page (any site may try to open one). The page loads nothing from
elsewhere. Each open page is a dashboard in a process of its own, that ends with it; what trains goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import getpass
import hmac
import json
import os
import secrets
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import textual_serve
from aiohttp import WSMsgType, web
from textual_serve.app_service import AppService
from textual_serve.download_manager import DownloadManager

from mypt.text import printable
from tui.page import KEYS, page

PORT = 8642
"""Where it listens unless told otherwise; the next free one where somebody else is there already."""
SERVED_BY = "MYPT_SERVED_BY"
"""Tells a dashboard the process that shows it in a browser."""
_MOST_PAGES = 8
_LONGEST_MESSAGE = 1 << 20
_LARGEST_SIZE = 1000
_PATIENCE_S = 5.0
_OUR_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
_STATIC = Path(textual_serve.__file__).parent / "static"
# What tells a program in which terminal it runs says nothing about a browser.
_OF_TERMINALS = ("TMUX", "STY", "SSH_TTY", "SSH_CONNECTION", "SSH_CLIENT", "NO_COLOR")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def serve(workspace: Path, *, readonly: bool, port: int | None) -> int:
    """Serve until Ctrl+C or SIGTERM; the exit status. A port that is taken is refused where it was asked for."""
    try:
        listener = _listen(port)
    except OSError as error:
        why = "somebody else listens there" if error.errno == errno.EADDRINUSE else error.strerror
        print(f"mypt-tui: --port {port}: {why}; name another, or leave it out", file=sys.stderr)
        return 2
    server = Server(workspace, readonly=readonly)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(server.run(listener))
    return 0


class Server:
    """The web application and the dashboards behind it."""

    def __init__(self, workspace: Path, *, readonly: bool = False, token: str = "") -> None:
        self.workspace = workspace
        self.token = token or secrets.token_urlsafe(24)
        self._readonly = readonly
        self._sessions: set[_Session] = set()

    @property
    def command(self) -> list[str]:
        """How a dashboard is started."""
        return [
            sys.executable,
            "-m",
            "tui.cli",
            *(["--readonly"] if self._readonly else []),
            "--",
            str(self.workspace.resolve()),
        ]

    async def run(self, listener: socket.socket) -> None:
        """Serve on `listener` until a signal comes, then end every dashboard."""
        runner = web.AppRunner(
            self.application(), access_log=None, handle_signals=False, shutdown_timeout=1.0
        )
        await runner.setup()
        await web.SockSite(runner, listener).start()
        for line in self.words(listener.getsockname()[1]):
            print(line, flush=True)
        over = asyncio.Event()
        with contextlib.suppress(NotImplementedError):
            for name in ("SIGINT", "SIGTERM", "SIGHUP"):
                if (number := getattr(signal, name, None)) is not None:
                    asyncio.get_running_loop().add_signal_handler(number, over.set)
        try:
            await over.wait()
        finally:
            await asyncio.gather(*(session.finish() for session in self._sessions))
            await runner.cleanup()

    def words(self, port: int) -> list[str]:
        """What is printed: where the dashboard is, and how to come there from another machine."""
        host = os.environ.get("SSH_CONNECTION", "").split(" ")
        machine = f"{getpass.getuser()}@{host[2] if len(host) == 4 else socket.gethostname()}"
        other_port = f"-p {host[3]} " if len(host) == 4 and host[3] != "22" else ""
        can = "see all of it, and change nothing" if self._readonly else "start and stop runs"
        return [
            f"MyPT shows {printable(str(self.workspace.resolve()), newline=False)} in a browser:"
            + (" (read-only)" if self._readonly else ""),
            f"  http://127.0.0.1:{port}/{self.token}/",
            "From another machine, run this there and then open the same address:",
            f"  ssh {other_port}-L {port}:127.0.0.1:{port} {printable(machine, newline=False)}",
            f"Whoever has the address can {can}. Ctrl+C ends it; what trains goes on.",
        ]

    def application(self) -> web.Application:
        """The routes, all of them behind the token, and the checks in front of them."""
        app = web.Application(middlewares=[self._guard])
        app.router.add_get(f"/{self.token}/", self._page)
        app.router.add_get(f"/{self.token}/ws", self._websocket)
        app.router.add_get(f"/{self.token}/keys.js", self._keys)
        app.router.add_static(f"/{self.token}/static", _STATIC)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Nobody from elsewhere, nobody without the token."""
        if not is_ours(request.host):
            raise web.HTTPForbidden(text="This server answers to 127.0.0.1 and localhost alone.\n")
        origin = request.headers.get("Origin")
        if origin is not None and origin.lower() != f"http://{request.host.lower()}":
            raise web.HTTPForbidden(text="Another site asks.\n")
        first = request.path.split("/")[1]
        if not hmac.compare_digest(first.encode(), self.token.encode()):
            raise web.HTTPNotFound(
                text="Not here. The address with its token stands where mypt-tui --serve runs.\n"
            )
        response = await handler(request)
        if not response.prepared:
            response.headers.update(_headers(request.host))
        return response

    async def _page(self, request: web.Request) -> web.StreamResponse:
        address = f"ws://{request.host}/{self.token}/ws"
        here = f"/{self.token}"
        words = page(
            self.workspace.resolve().name,
            address,
            f"{here}/static",
            f"{here}/keys.js",
            readonly=self._readonly,
        )
        return web.Response(text=words, content_type="text/html", charset="utf-8")

    async def _keys(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text=KEYS, content_type="text/javascript", charset="utf-8")

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        """One page, one dashboard."""
        if "Origin" not in request.headers:
            raise web.HTTPForbidden(text="Only our own page may open this.\n")
        if len(self._sessions) >= _MOST_PAGES:
            raise web.HTTPServiceUnavailable(text=f"{_MOST_PAGES} pages are open already; close one.\n")
        websocket = web.WebSocketResponse(heartbeat=15.0, max_msg_size=_LONGEST_MESSAGE)
        session = _Session(self.command, websocket, self.workspace)
        self._sessions.add(session)
        try:
            await websocket.prepare(request)
            await session.start(_size(request.query.get("width"), 80), _size(request.query.get("height"), 24))
            async for message in websocket:
                if message.type == WSMsgType.TEXT:
                    await session.take(message.data, websocket)
        finally:
            await session.finish()
            self._sessions.discard(session)
        return websocket


class _Session(AppService):
    """One dashboard behind one websocket."""

    def __init__(self, argv: Sequence[str], websocket: web.WebSocketResponse, workspace: Path) -> None:
        self._argv = list(argv)
        self._workspace = workspace

        async def close() -> None:
            await websocket.close()

        super().__init__(
            "",
            write_bytes=websocket.send_bytes,
            write_str=websocket.send_str,
            close=close,
            download_manager=DownloadManager(),
        )

    async def _open_app_process(self, width: int = 80, height: int = 24) -> asyncio.subprocess.Process:
        environment = self._build_environment(width=width, height=height)
        for name in _OF_TERMINALS:
            environment.pop(name, None)
        # In a session of its own Ctrl+C in the server's terminal reaches the server alone, which ends it in order.
        self._process = await asyncio.create_subprocess_exec(
            *self._argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**environment, SERVED_BY: str(os.getpid())},
            start_new_session=sys.platform != "win32",
        )
        self._stdin = self._process.stdin
        return self._process

    async def take(self, text: str, websocket: web.WebSocketResponse) -> None:
        """One message of the page: keys, mouse, size. What is none is left alone."""
        try:
            kind, value = [*json.loads(text), None][:2]
        except (ValueError, TypeError):
            return
        if kind == "stdin" and isinstance(value, str):
            await self.send_bytes(value.encode("utf-8", "replace"))
        elif kind == "resize" and isinstance(value, dict):
            await self.set_terminal_size(_size(value.get("width"), 80), _size(value.get("height"), 24))
        elif kind == "ping":
            await websocket.send_json(["pong", value])
        elif kind == "blur":
            await self.blur()
        elif kind == "focus":
            await self.focus()

    async def finish(self) -> None:
        """Ask the dashboard to quit, and see to it that it does."""
        process = self._process
        if process is None:
            return
        with contextlib.suppress(asyncio.TimeoutError, OSError):
            await asyncio.wait_for(self.stop(), _PATIENCE_S)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(process.wait(), _PATIENCE_S)
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def is_ours(host: str) -> bool:
    """Whether a Host header names this machine as the one who sits at it does; the port may be a forwarded one."""
    if host.startswith("["):
        name, closed, port = host[1:].partition("]")
        port = port.removeprefix(":")
        return closed == "]" and name in _OUR_NAMES and (port.isdigit() or not port)
    name, colon, port = host.partition(":")
    return name.lower() in _OUR_NAMES and (port.isdigit() if colon else True)


def _headers(host: str) -> dict[str, str]:
    sources = f"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; font-src 'self'; img-src 'self' data:; connect-src 'self' ws://{host}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    return {
        "Content-Security-Policy": sources,
        # The token is a part of the address, which shall not be told to others.
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
    }


def _size(value: Any, default: int) -> int:
    try:
        return min(max(int(value), 1), _LARGEST_SIZE)
    except (TypeError, ValueError, OverflowError):
        return default


def _listen(port: int | None) -> socket.socket:
    """A socket on 127.0.0.1 and this port; where none was asked for, on ours or any free one. Raises OSError."""
    try:
        return _bound(PORT if port is None else port)
    except OSError:
        if port is not None:
            raise
        return _bound(0)


def _bound(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":
            # A server that was just ended leaves its port in a state that only this allows to be taken.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener
