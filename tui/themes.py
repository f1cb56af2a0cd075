"""Our two themes: calm grounds, one accent for what is alive, one gold, one for trouble."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="mypt-dark",
    primary="#58b6f5",
    secondary="#7f93a5",
    accent="#35c2a1",
    warning="#ffc83d",
    error="#ff5d5d",
    success="#35c2a1",
    foreground="#d6dde4",
    background="#0f1318",
    surface="#141a21",
    panel="#1c242d",
    dark=True,
    variables={"border": "#2b3641", "border-blurred": "#2b3641", "footer-key-foreground": "#58b6f5"},
)

LIGHT = Theme(
    name="mypt-light",
    primary="#0067b0",
    secondary="#5d6b78",
    accent="#00806a",
    warning="#946500",
    error="#c81e1e",
    success="#00806a",
    foreground="#20272e",
    background="#fbfaf7",
    surface="#f3f1ec",
    panel="#e8e5de",
    dark=False,
    variables={"border": "#cfcac0", "border-blurred": "#cfcac0", "footer-key-foreground": "#0067b0"},
)
