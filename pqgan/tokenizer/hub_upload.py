"""An exported tokenizer to the Hugging Face hub: `pqgan export --hub OWNER/NAME`.

A repository may be absent, empty, or hold an earlier export: what `--out` may be (pqgan.storage.outputs). An upload is
one commit, so that what it replaces stays in the history; files that no export wrote stay where they are.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pqgan.errors import DataError, PqganError, ResourceError, SettingsError
from pqgan.storage.json_files import in_line
from pqgan.storage.manifest import SUMS, read_sums

OF_THE_HUB = (".gitattributes",)
"""Files that it puts into an empty repository itself."""


def check(repository: str, dry_run: bool) -> None:
    """See, before any work, whether a name can be one and whether this process may use a network; uses none.

    Raises:
        SettingsError: no such name.
        ResourceError: offline, and no dry run.
    """
    from huggingface_hub import constants
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repository)
    except HFValidationError as error:
        raise SettingsError(f"--hub: {in_line(error)}") from None
    if repository.count("/") != 1:
        raise SettingsError(f"--hub: got {in_line(repr(repository))}; expected OWNER/NAME")
    if constants.HF_HUB_OFFLINE and not dry_run:
        raise ResourceError(
            "--hub: offline, because HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set; unset it, or give --dry-run"
        )


def listing(folder: Path, repository: str) -> str:
    """What an upload would send, a line a file with its bytes."""
    sizes = {path.relative_to(folder).as_posix(): path.stat().st_size for path in _files(folder)}
    lines = [f"{size:>15,}  {name}" for name, size in sizes.items()]
    total = f"would be uploaded to {repository}: {len(sizes)} files, {sum(sizes.values()):,} bytes; nothing was sent"
    return "\n".join([*lines, total])


def upload(folder: Path, repository: str, *, public: bool) -> str:
    """Send a folder in one commit.

    Args:
        folder: of an export, whole.
        repository: OWNER/NAME, made if it is not there.
        public: whether one that is made can be seen by everybody.

    Returns:
        Address of the commit.

    Raises:
        SettingsError: the repository holds files that no export wrote.
        ResourceError: the hub cannot be reached, or refuses.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import RepositoryNotFoundError

    api = HfApi()
    with _told(repository, folder):
        try:
            there = api.list_repo_files(repository)
        except RepositoryNotFoundError:  # or not to be seen; then making it fails
            there = []
            api.create_repo(repository, private=not public)
        earlier = _earlier(api, repository, there)
        new = [path.relative_to(folder).as_posix() for path in _files(folder)]
        if taken := sorted(({*there} - {*OF_THE_HUB}) & {*new} - earlier):
            raise SettingsError(
                f"--hub: {repository} holds {taken[0]}, which no pqgan export wrote"
                f"{f' (and {len(taken) - 1} more)' if len(taken) > 1 else ''}; choose another name"
            )
        commit = api.upload_folder(
            repo_id=repository,
            folder_path=folder,
            commit_message=f"pqgan export of {folder.name}",
            # one that is no longer there would not be in the new list of sha256
            delete_patterns=sorted(earlier - {*new}) or None,
        )
    return str(commit.commit_url)


def _earlier(api, repository: str, there: list[str]) -> set[str]:
    """Names of the files of an earlier export.

    Raises:
        SettingsError: there are files, and no export wrote them.
    """
    if not {*there} - {*OF_THE_HUB}:
        return set()
    if SUMS in there:
        with tempfile.TemporaryDirectory() as place:
            api.hf_hub_download(repository, SUMS, local_dir=place)
            try:
                sums = read_sums(Path(place))
            except DataError:
                sums = None
        if sums is not None and sums.kind == "export":
            return {SUMS, *sums.files} & {*there}
    first, *more = sorted({*there} - {*OF_THE_HUB})
    also = f" and {len(more)} more" if more else ""
    raise SettingsError(
        f"--hub: {repository} holds {in_line(first)}{also}, which no pqgan export wrote; only earlier exports are "
        "replaced; choose another name"
    )


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@contextmanager
def _told(repository: str, folder: Path) -> Iterator[None]:
    """Errors of the hub and of the network in one line."""
    from huggingface_hub.errors import HTTPError  # of the library that it connects with
    from huggingface_hub.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()  # each try that fails would be told, the last one is enough
    try:
        yield
    except PqganError:
        raise
    except (OSError, HTTPError, ValueError) as error:
        reason = in_line(error) or type(error).__name__
        raise ResourceError(
            f"--hub: {repository}: {reason[:300]}; log in with `hf auth login`, or wait until the hub can be reached, "
            f"then run the same command again; {folder} is whole"
        ) from None
    except (AttributeError, LookupError, TypeError) as error:  # what the client makes of JSON that it did not expect
        raise ResourceError(
            f"--hub: {repository}: the server does not answer as the hub does ({in_line(error)[:100]}); see that "
            f"HF_ENDPOINT is a hub's, then run the same command again; {folder} is whole"
        ) from None
    finally:
        logging.set_verbosity(before)
