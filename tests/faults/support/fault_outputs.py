"""Everything that can lie where a command is told to write, but for what it may replace."""

import os
import shutil
from pathlib import Path

from pqgan.chapters import VERBS
from pqgan.storage.outputs import new_result

KINDS = {"bench matching": "matching", "bench generators": "generators", "decode": "nothing"}
"""Of what a verb that is no rule of the plan makes, where it is not the verb's own name."""


def kind_of(verb: str) -> str:
    return VERBS[verb].name if verb in VERBS else KINDS.get(verb, verb)


def an_earlier(verb: str, out: str) -> Path:
    with new_result(out, kind_of(verb)) as folder:
        (folder / "deep").mkdir()
        (folder / "deep/file").write_text("content")
    return Path(out)


def changed(verb: str) -> str:
    (an_earlier(verb, "result") / "deep/file").write_text("Content")
    return "result"


def with_a_foreign_file(verb: str) -> str:
    (an_earlier(verb, "result") / "deep/notes.txt").write_text("mine")
    return "result"


def with_a_hidden_file(verb: str) -> str:
    (an_earlier(verb, "result") / ".env").write_text("mine")
    return "result"


def with_a_foreign_folder(verb: str) -> str:
    (an_earlier(verb, "result") / "mine").mkdir()
    return "result"


def with_a_foreign_link(verb: str) -> str:
    (an_earlier(verb, "result") / "mine").symlink_to("../precious")
    return "result"


def without_its_sums(verb: str) -> str:
    (an_earlier(verb, "result") / "SHA256SUMS").unlink()
    return "result"


def of_another_kind(verb: str) -> str:
    with new_result("result", "something else") as folder:
        (folder / "file").write_text("content")
    return "result"


def of_an_unknown_kind(verb: str) -> str:
    sums = an_earlier(verb, "result") / "SHA256SUMS"
    sums.write_text("".join(sums.read_text().splitlines(keepends=True)[1:]))
    return "result"


def a_link(verb: str) -> str:
    an_earlier(verb, "result")
    Path("link").symlink_to("result")
    return "link"


def a_link_to_nothing(verb: str) -> str:
    Path("link").symlink_to("/nowhere/at/all")
    return "link"


def a_pipe(verb: str) -> str:
    os.mkfifo("pipe")
    return "pipe"


IN_THE_WAY = {
    "": lambda verb: "",
    "current": lambda verb: ".",
    "parent": lambda verb: "..",
    "root": lambda verb: "/",
    "home": lambda verb: str(Path.home()),
    "above home": lambda verb: str(Path.home().parent),
    "git": lambda verb: "repository",
    "precious": lambda verb: "precious",
    "file": lambda verb: "precious/diary.txt",
    "below a file": lambda verb: "precious/diary.txt/result",
    "device": lambda verb: "/dev/null",
    "long": lambda verb: "a" * 300,
    "somewhat long": lambda verb: "a" * 230,
    "link": a_link,
    "dangling": a_link_to_nothing,
    "pipe": a_pipe,
}
IN_A_FOLDERS_WAY = {
    "changed": changed,
    "foreign file": with_a_foreign_file,
    "hidden": with_a_hidden_file,
    "foreign folder": with_a_foreign_folder,
    "foreign link": with_a_foreign_link,
    "no sums": without_its_sums,
    "another kind": of_another_kind,
    "unknown kind": of_an_unknown_kind,
}


def tidy() -> None:
    """Remove what was put in the way."""
    for path in (*Path().glob("result"), *Path().glob("link*"), *Path().glob("pipe*"), *Path().glob("precious/*.pdf")):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    Path("precious/diary.txt").write_text("dear")
