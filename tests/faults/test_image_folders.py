"""Folders of images: their links, hidden parts, names and captions, through the real command."""

import os

import pytest
from fault_photos import photograph

from pqgan.cli import main
from pqgan.data.prepared import PreparedSet


def test_names_cannot_break_the_line(folder, command, capsys):
    for name in ("two\nlines.jpg", "red\x1b[31m.jpg"):
        (folder / name).touch()
    assert main(command()) == 3
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert r"'two\nlines.jpg' (an empty file)" in line
    assert r"'red\x1b[31m.jpg' (an empty file)" in line


def test_names_that_no_index_can_hold(folder, command, capsys, tmp_path):
    photograph().save(folder / "good.png")
    (folder / os.fsdecode(b"caf\xe9.png")).write_bytes((folder / "good.png").read_bytes())
    assert main(command()) == 3
    assert r"1 images have names that are not UTF-8; rename them: 'caf\udce9.png'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def sources(tmp_path):
    return [row["source"] for row in PreparedSet(tmp_path / "out" / "own").rows()]


def test_folders_that_link_to_each_other_or_to_the_set_have_each_file_once(folder, command, tmp_path):
    for name, other in (("a", "b"), ("b", "a")):
        (folder / name).mkdir()
        photograph().save(folder / name / f"{name}.png")
        (folder / name / f"to_{other}").symlink_to(f"../{other}")
        (folder / name / "to_the_set").symlink_to(folder)
    (folder / "itself").symlink_to("itself")
    assert main(command()) == 0
    assert sources(tmp_path) == ["a/a.png", "b/b.png"]


def test_a_folder_that_two_links_lead_to_is_entered_once(folder, command, tmp_path):
    (tmp_path / "elsewhere" / "below").mkdir(parents=True)
    photograph().save(tmp_path / "elsewhere" / "1.png")
    photograph(seed=1).save(tmp_path / "elsewhere" / "below" / "2.png")
    (folder / "z").symlink_to(tmp_path / "elsewhere")
    (folder / "y").symlink_to(tmp_path / "elsewhere")
    (folder / "x").symlink_to(tmp_path / "elsewhere" / "below")
    assert main(command()) == 0
    assert sources(tmp_path) == ["x/2.png", "y/1.png"]


def test_a_link_to_a_folder_that_the_set_lies_in(folder, command, capsys):
    photograph().save(folder / "good.png")
    (folder / "more").mkdir()
    (folder / "more" / "up").symlink_to(folder.parent)
    assert main(command()) == 3
    said = capsys.readouterr().err
    assert f"{folder}/more/up: links to {folder.parent}, a folder that {folder} lies in; remove it" in said
    assert said.count("\n") == 1


def test_hidden_folders_are_left_out_and_counted(folder, command, tmp_path, capsys):
    for name in ("cat/0.png", "dog/0.png", ".ipynb_checkpoints/0.png", "cat/.thumbnails/deep/0.png", "cat/._0.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        photograph().save(folder / name)
    (folder / ".cache").symlink_to(folder / "dog")
    (folder / ".ipynb_checkpoints" / "linked").symlink_to(tmp_path)
    assert main(command(classes=True)) == 0
    assert "; 3 other files left out\n" in capsys.readouterr().out
    assert sources(tmp_path) == ["cat/0.png", "dog/0.png"]
    assert PreparedSet(tmp_path / "out" / "own").classes == ["cat", "dog"]


def test_linked_folders_are_followed(folder, command, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    photograph().save(tmp_path / "elsewhere" / "1.png")
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    assert main(command()) == 0
    assert sources(tmp_path) == ["link/1.png"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_folders_that_may_not_be_read(folder, command, capsys):
    photograph().save(folder / "good.png")
    (folder / "closed").mkdir(mode=0)
    assert main(command()) == 3
    assert "closed: Permission denied; every folder of a set must be readable" in capsys.readouterr().err


ODD = (
    "a b",
    "tab\there",
    "return\rhere",
    "both\r\nhere",
    "line\nhere",
    'a "quote", and a comma',
    "'=cmd|",
    "日本 ünï",
    "\x1b[31m",
)


def test_names_of_all_kinds_go_through_the_index(folder, command, tmp_path):
    for i, name in enumerate(ODD):
        (folder / f"class {name}").mkdir()
        photograph(seed=i).save(folder / f"class {name}" / f"{name}.png")
    assert main(command(classes=True)) == 0
    prepared = PreparedSet(tmp_path / "out" / "own")
    prepared.verify()
    names = sorted(f"class {name}/{name}.png" for name in ODD)
    assert [row["source"] for row in prepared.rows()] == names
    assert [prepared.caption(i) for i in range(len(ODD))] == [name.partition("/")[0] for name in names]
    assert [prepared.classes[prepared.label(i)] for i in range(len(ODD))] == sorted(f"class {name}" for name in ODD)


def test_captions_of_all_kinds_go_through_the_index(folder, command, tmp_path):
    captions = {"a": "x" * 200_000, "b": 'say "yes", or\0 no'}
    (folder.parent / "set.tsv").write_text("id\ttext\n" + "".join(f"{key}\t{text}\n" for key, text in captions.items()))
    for name in captions:
        photograph().save(folder / f"{name}.png")
    table = {"table": "set.tsv", "id_column": "id", "caption_columns": ["text"]}
    assert main(command(captions=table)) == 0
    assert [PreparedSet(tmp_path / "out" / "own").caption(i) for i in range(2)] == list(captions.values())
