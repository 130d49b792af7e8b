"""The stages, a folder each. One that nobody wants can be deleted (docs/parts.md)."""

from pathlib import Path


def there(stage: str) -> bool:
    """Say whether a stage is there."""
    return (Path(__file__).parent / stage / "pipeline.py").exists()
