"""Captions of images that several tables name: which table, and which column of it, is heard first."""

from pqgan.data import sources
from pqgan.settings.data import CaptionTable, ImageFolder


def captions(data_root, columns: tuple[str, ...]) -> list[str]:
    table = CaptionTable(table="set/photos.tsv*", id_column="id", caption_columns=columns)
    source = ImageFolder(source="folder", path="set/images", size=16, captions=table)
    images = sources.open_images(source, geometry="crop", seed=0)
    return [images.row(index).caption for index in range(len(images))]


def test_the_first_table_by_name_that_has_an_image_tells_its_caption(data_root, noise, monkeypatch):
    for name in ("a", "b", "c"):
        noise(data_root / f"set/images/{name}.png", 16, 16)
    (data_root / "set/photos.tsv000").write_text("id\tspoken\tmachine\na\tfirst\tx\nb\t\ty\n")
    (data_root / "set/photos.tsv001").write_text("id\tspoken\tmachine\na\tsecond\tz\nb\tlater\tw\nc\tonly here\tv\n")
    # whatever order the file system lists them in
    real = sources.glob
    monkeypatch.setattr(sources, "glob", lambda pattern: sorted(real(pattern), reverse=True))
    assert captions(data_root, ("spoken", "machine")) == ["first", "y", "only here"]
    assert captions(data_root, ("machine", "spoken")) == ["x", "y", "v"]
