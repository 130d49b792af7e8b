from pathlib import Path

from preflight.reporting.markdown_dataset import MarkdownDataset


def test_kedro_viz_shows_the_text_and_runs_none_of_it(tmp_path: Path) -> None:
    dataset = MarkdownDataset(filepath=str(tmp_path / "card.md"))
    dataset.save("# A card\n\nless < more & <script>alert(1)</script>\n")
    shown = dataset.preview()
    assert "# A card\n\nless &lt; more &amp; &lt;script&gt;" in shown
    assert "<script" not in shown
