"""What tests of training share."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.training.killer import Killer


@pytest.fixture(scope="session")
def killer() -> Iterator[Killer]:
    """A process whose children are killed where it hurts."""
    if sys.platform == "win32":
        pytest.skip("there is no SIGKILL")
    made = Killer()
    yield made
    made.close()
