"""Results that the checkouts of a machine or cluster share, below the folder that PQGAN_SHARED_DIR names."""

import os
import shutil
import sys
from pathlib import Path

from pqgan.errors import DataError, PqganError

from .atomic import new_folder
from .manifest import SUMS, damages
from .outputs import refuse_to_replace

VARIABLE = "PQGAN_SHARED_DIR"


def place(chapter: str, name: str, digest: str) -> Path | None:
    """Where a result is shared; None where nothing is.

    Args:
        digest: of every setting it depends on, in full.
    """
    root = os.environ.get(VARIABLE)
    return Path(root, chapter, f"{name}-{digest}") if root else None


def take(shared: Path, out: Path, kind: str) -> bool:
    """Make a result of the shared one, by hard links where the file system has them; whether there was one.

    Args:
        kind: of the result.

    Raises:
        SettingsError: `out` is there and no result of this kind.
        DataError: the shared one is damaged.
    """
    if not shared.is_dir():
        return False
    if wrong := damages(shared):
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise DataError(f"{wrong[0]}{more}; delete {shared}, which {VARIABLE} offers, or unset {VARIABLE}")
    with new_folder(out, lambda there: refuse_to_replace(there, kind)) as folder:
        _copy(shared, folder)
    return True


def give(out: Path, shared: Path) -> None:
    """Share a result; where that cannot be done, say so and go on, because the result is there all the same."""
    if shared.is_dir():
        return
    try:
        with new_folder(shared) as folder:
            _copy(out, folder)
    except (OSError, PqganError) as error:
        if not (shared / SUMS).is_file():  # by another checkout, in the meantime
            print(f"{shared}: cannot be written ({error}); the result is not shared", file=sys.stderr)


def _copy(source: Path, folder: Path) -> None:
    hidden = shutil.ignore_patterns(".*")  # of the workflow that keeps it
    shutil.copytree(source, folder, copy_function=_link, ignore=hidden, dirs_exist_ok=True)


def _link(source: str, target: str) -> None:
    try:
        if os.stat(source).st_uid == os.geteuid():  # the mode of another's file could not be set
            os.link(os.path.realpath(source), target)
            return
    except OSError:
        pass  # another file system, or one without links
    shutil.copyfile(source, target)
