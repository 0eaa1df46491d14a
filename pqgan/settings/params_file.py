"""params.yaml as plain values, or one line that says why it cannot be read."""

import stat
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any

import yaml

from pqgan.errors import SettingsError

BYTES, DEPTH, VALUES = 10**6, 60, 200_000
"""Most that the file may hold: bytes, mappings and lists inside each other, values once each alias is its value."""
DIGITS = 100
"""Of a number, at most."""
TOO_DEEP = f"more than {DEPTH} lists and mappings inside each other; allowed: fewer"
NUMBERS, DATE = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float"), "tag:yaml.org,2002:timestamp"
MEANT_FOR_YAML = ("tag:yaml.org,2002:merge", "tag:yaml.org,2002:value")
"""Tags of the keys << and =, which stand for no value."""


class _Refused(Exception):
    """What is wrong with the document, and where."""

    def __init__(self, problem: str, node: yaml.Node | yaml.Event):
        super().__init__(f"line {node.start_mark.line + 1}: {problem}")


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """PyYAML's, but that it takes no key twice, no value that holds itself, and no aliases that multiply."""

    def get_single_node(self) -> yaml.Node | None:
        node = super().get_single_node()
        if node is not None:
            self._check(node, {}, set())
        return node

    def _check(self, node: yaml.Node, known: dict[yaml.Node, tuple[int, int]], above: set[yaml.Node]) -> None:
        """Fill in values and levels of each node, aliases counted wherever they stand."""
        if node in above:
            raise _Refused("an alias stands inside what it names; allowed: a value that does not hold itself", node)
        if node in known:
            return
        if isinstance(node, yaml.ScalarNode):
            self._check_scalar(node)
        if isinstance(node, yaml.MappingNode):
            self._check_keys(node)
        values, levels, inside = 1, 0, {node, *above}
        for child in _children(node):
            self._check(child, known, inside)
            values, levels = values + known[child][0], max(levels, known[child][1])
        if values > VALUES:
            raise _Refused(f"more than {VALUES:,} values once each alias is its value; allowed: fewer aliases", node)
        if levels >= DEPTH:
            raise _Refused(TOO_DEEP, node)
        known[node] = values, levels + 1

    def _check_scalar(self, node: yaml.ScalarNode) -> None:
        if node.tag in NUMBERS and len(node.value) > DIGITS:
            raise _Refused(f"a number of {len(node.value):,} characters; allowed: at most {DIGITS}", node)
        try:
            if node.tag == DATE:
                self.construct_object(node)
        except ValueError as error:
            raise _Refused(f"got {node.value}: {error}; allowed: text in quotes", node) from None

    def _check_keys(self, node: yaml.MappingNode) -> None:
        found: dict[Any, int] = {}
        for key, _ in node.value:
            name = key.value if key.tag in MEANT_FOR_YAML else self.construct_object(key, deep=True)
            if not isinstance(name, Hashable):
                raise _Refused("a key is a list or a mapping; allowed: a name", key)
            if name in found:
                raise _Refused(f"key {key.value!r} for the second time, after line {found[name]}; allowed: once", key)
            found[name] = key.start_mark.line + 1


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        for pair in node.value:
            yield from pair
    elif isinstance(node, yaml.SequenceNode):
        yield from node.value


def read_params(path: Path) -> dict[str, Any]:
    """The raw mapping of params.yaml.

    Raises:
        SettingsError: no such file, no file of text, or no YAML that says one thing.
    """
    text = _text(path)
    try:
        # before nodes are made of it, which recurses
        _check_size(text)
        raw = yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise SettingsError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    except _Refused as error:
        raise SettingsError(f"{path}: {error}") from None
    if not isinstance(raw, dict):
        got = "nothing" if raw is None else type(raw).__name__
        raise SettingsError(f"{path}: got {got}; allowed: a mapping with scale, readings and scales")
    return raw


def _check_size(text: str) -> None:
    depth = 0
    for number, event in enumerate(yaml.parse(text, Loader)):
        if number > 2 * VALUES:
            raise _Refused(f"more than {VALUES:,} values; allowed: fewer", event)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEPTH:
            raise _Refused(TOO_DEEP, event)


def _text(path: Path) -> str:
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            got = "a folder" if stat.S_ISDIR(about.st_mode) else "no file but a pipe, socket or device"
            raise SettingsError(f"{path}: is {got}; allowed: a file such as params.yaml")
        if about.st_size > BYTES:
            raise SettingsError(f"{path}: has {about.st_size:,} bytes; allowed: at most {BYTES:,}")
        return path.read_bytes().decode()  # YAML leaves out the mark that some editors begin a file with
    except FileNotFoundError:
        raise SettingsError(f"{path}: no such file; run from the repository's root or name it with --params") from None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}; allowed: a file of YAML") from None
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: byte {error.start} is not UTF-8; allowed: a file saved as UTF-8") from None
