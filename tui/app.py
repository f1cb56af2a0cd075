"""The dashboard: where it begins and where one can go from everywhere."""

from __future__ import annotations

from pathlib import Path

from textual.screen import Screen

from tui.dashboard import Dashboard
from tui.screens.help import HelpScreen
from tui.screens.home import HomeScreen

# Absolute, so that a subclass in another folder finds them too.
_HERE = Path(__file__).parent


class MyptApp(Dashboard):
    """The dashboard of one workspace."""

    TITLE = "MyPT"
    # The style sheet of the screen that everything begins with is not loaded by pushing it.
    CSS_PATH = [_HERE / "app.tcss", _HERE / "ansi.tcss", _HERE / "screens" / "home" / "home.tcss"]  # noqa: RUF012

    def get_default_screen(self) -> Screen[None]:
        """The screen that everything begins and ends with."""
        return HomeScreen()

    def action_help(self) -> None:
        """Show all keys of the screen in front; once more closes them."""
        if isinstance(self.screen, HelpScreen):
            self.screen.dismiss(None)
        else:
            self.push_screen(HelpScreen(self.screen))

    def action_preferences(self) -> None:
        """Go to the preferences."""
        from tui.screens.preferences import PreferencesScreen

        if not any(isinstance(screen, PreferencesScreen) for screen in self.screen_stack):
            self.push_screen(PreferencesScreen())
