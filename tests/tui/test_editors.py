"""Lines to type into: whoever comes by a key replaces what is there, whoever clicks goes on in it."""

from __future__ import annotations

from textual.app import App, ComposeResult

from tui.widgets.editors import Choice, Field, FileField


class Lines(App[None]):
    def compose(self) -> ComposeResult:
        yield Choice(["svg", "csv"], "svg", may_be_unset=False)
        yield Field("tiny_char", id="name")
        yield FileField("charts/dante.svg", id="file")


async def test_what_is_filled_in_is_replaced_by_typing_and_kept_where_it_is_clicked() -> None:
    app = Lines()
    async with app.run_test(size=(40, 10)) as pilot:
        name = app.query_one("#name", Field)
        await pilot.press("tab", *"dante")
        assert name.value == "dante"
        await pilot.click("#name", offset=(name.gutter.left + 1, 0))
        await pilot.press("X")
        assert name.value == "dXante"
        await pilot.press("tab", "shift+tab", "right", "2")
        assert name.value == "dXante2"
        app.set_focus(None)
        await pilot.click("#name", offset=(name.gutter.left, 0))
        await pilot.press("_")
        assert name.value == "_dXante2"


async def test_of_a_file_name_the_folder_and_the_ending_stay() -> None:
    app = Lines()
    async with app.run_test(size=(40, 10)) as pilot:
        await pilot.press("tab", "tab", *"virgil")
        assert app.query_one("#file", Field).value == "charts/virgil.svg"
        await pilot.press("shift+tab", "tab", "backspace")
        assert app.query_one("#file", Field).value == "charts/.svg"
