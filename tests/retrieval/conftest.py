"""A small world of queries, documents and vectors."""

from __future__ import annotations

import pytest

from tests.helpers.worlds import World, make_world


@pytest.fixture
def world() -> World:
    return make_world(1, copies=True)
