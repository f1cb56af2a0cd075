"""The one page of `--serve`: a terminal as large as the window. It loads nothing from anywhere else. No Textual."""

from __future__ import annotations

from html import escape

_STYLE = """
@font-face {{ font-family: "Roboto Mono"; src: url("{static}/fonts/RobotoMono-VariableFont_wght.ttf"); }}
@font-face {{
  font-family: "Roboto Mono"; font-style: italic; src: url("{static}/fonts/RobotoMono-Italic-VariableFont_wght.ttf");
}}
html, body {{ margin: 0; height: 100%; background: #0f1318; color: #d6dde4; font: 16px "Roboto Mono", monospace; }}
.textual-terminal {{ width: 100vw; height: 100vh; }}
.note {{ position: absolute; inset: 0; display: grid; place-content: center; text-align: center; gap: 1em; z-index: 10; }}
.note a {{ color: #58b6f5; }}
body.-first-byte .opening, .closed {{ display: none; }}
body.-closed .closed {{ display: grid; background: #0f1318e6; }}
"""

_PAGE = """<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>{title}</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="{static}/css/xterm.css">
    <style>{style}</style>
    <script src="{static}/js/textual.js"></script>
    <script src="{keys}"></script>
  </head>
  <body>
    <div class="note opening">MyPT is opening …</div>
    <div class="note closed">
      <div>This dashboard was closed. What trains goes on.</div>
      <a href="">Open it again</a>
    </div>
    <div id="start" hidden></div>
    <div id="terminal" class="textual-terminal" data-session-websocket-url="{websocket}" data-font-size="15"></div>
  </body>
</html>
"""

# A terminal takes keys only while it has the focus, and nobody wants to click before the first one.
KEYS = """
const focus = () => document.querySelector(".xterm-helper-textarea")?.focus();
window.addEventListener("load", () => {
  new MutationObserver(focus).observe(document.body, { attributes: true, attributeFilter: ["class"] });
  focus();
});
window.addEventListener("focus", focus);
"""
"""The script that gives the keys to the terminal as soon as there is one."""


def page(workspace: str, websocket: str, static: str, keys: str, *, readonly: bool) -> str:
    """The HTML: `websocket` is where the terminal connects to, `static` where its script, style and fonts are.

    `keys` is where `KEYS` is.
    """
    title = f"MyPT {workspace}" + (" (read-only)" if readonly else "")
    return _PAGE.format(
        title=escape(title),
        static=escape(static),
        keys=escape(keys),
        websocket=escape(websocket),
        style=_STYLE.format(static=escape(static)),
    )
