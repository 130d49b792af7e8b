"""Contracts are found through the catalog."""

import pytest

from preflight.contracts import catalog
from preflight.contracts.catalog import preview


def test_all_previews_read_conf_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[object] = []
    read = catalog.read_catalog
    monkeypatch.setattr(catalog, "read_catalog", lambda *given: reads.append(given) or read(*given))
    catalog._project_contracts.cache_clear()
    for dataset in ("flights", "weather", "metrics"):
        assert dataset in preview([dataset]).content
    assert len(reads) == 1
