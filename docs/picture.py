"""Makes the picture of the dashboard in the README: `make picture`.

Trains the demo for real in a folder of its own, opens the dashboard on it and saves what it shows as SVG.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

TARGET = Path(__file__).parent / "dashboard.svg"
STEPS = "700"


async def _picture(workspace: Path) -> str:
    from tui.app import MyptApp
    from tui.screens.home import HomeScreen

    app = MyptApp(workspace)
    async with app.run_test(size=(118, 36)) as pilot:
        while not isinstance(app.screen, HomeScreen) or app.screen.run_in_view is None:
            await pilot.pause(0.1)
        await pilot.pause(1.5)
        return _without_fonts(app.export_screenshot(title="mypt-tui"))


def _without_fonts(svg: str) -> str:
    """The picture without web fonts: whoever looks at it shall not have to fetch anything."""
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL).replace("Fira Code", "monospace")


def main() -> int:
    """Train, look, save."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder) / "stories"
        workspace.mkdir()
        # The picture says ~/stories, wherever it is made.
        os.environ["HOME"] = folder
        os.environ["MYPT_CONFIG_DIR"] = str(Path(folder) / "preferences")
        for name, steps in (("first_try", "150"), ("demo", STEPS)):
            command = [
                sys.executable,
                "-m",
                "mypt",
                "train",
                "--config_file",
                "tiny_char",
                "--model_name",
                name,
            ]
            subprocess.run(
                [*command, "--max_iters", steps], cwd=workspace, check=True, stdout=subprocess.DEVNULL
            )
        TARGET.write_text(asyncio.run(_picture(workspace)), encoding="utf-8")
    print(f"saved {TARGET.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
