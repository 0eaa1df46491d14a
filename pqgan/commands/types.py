"""Types of arguments: text from the command line to values, or what was expected instead."""

import argparse
import re
from collections.abc import Callable
from functools import partial
from math import inf, nan
from typing import NoReturn

from pqgan.chapters import CHAPTERS
from pqgan.machine import PER_CORE, cores, most_processes
from pqgan.settings.base import MOST
from pqgan.settings.evaluation import SearchCase
from pqgan.settings.names import shown


class Parser(argparse.ArgumentParser):
    """argparse's, whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        said = "".join(character if character.isprintable() else "?" for character in message)
        self.exit(2, f"{self.prog}: {said}; usage: {self.prog} --help\n")


def number(text: str, most: float = inf) -> float:
    """A number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = nan
    if not 0 < value <= most or value == inf:
        raise argparse.ArgumentTypeError(
            f"got {shown(text)}; expected a number above 0{f', at most {most:g}' * (most < inf)}"
        )
    return value


percent = partial(number, most=100)


def gpu(text: str) -> tuple[str, str]:
    """CHAPTER=NAME."""
    chapter, _, name = text.partition("=")
    allowed = [each.name for each in CHAPTERS.values() if each.counted]
    if chapter not in allowed or not name:
        raise argparse.ArgumentTypeError(
            f"got {shown(text)}; expected CHAPTER=NAME, the chapter one of {', '.join(allowed)}"
        )
    return chapter, name


def peak(text: str) -> tuple[tuple[str, str], float]:
    """NAME:KIND=TFLOPS."""
    which, _, speed = text.partition("=")
    name, _, kind = which.partition(":")
    if not name or kind not in ("TF32", "bf16"):
        raise argparse.ArgumentTypeError(f"got {shown(text)}; expected NAME:KIND=TFLOPS, the kind TF32 or bf16")
    return (name, kind), number(speed)


def images(text: str) -> tuple[str, int]:
    """SET=N."""
    prepared, _, many = text.partition("=")
    return prepared, count(many, least=1)


def licence(text: str) -> str:
    """An identifier of a licence as the hub has them, in small letters."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9.+-]{0,63}", text):
        raise argparse.ArgumentTypeError(f"got {shown(text)}; expected an identifier such as mit, apache-2.0 or other")
    return text


def several(allowed: tuple[str, ...], text: str) -> tuple[str, ...]:
    """Names of some that are allowed, with commas between them."""
    names = tuple(dict.fromkeys(text.split(",")))
    if unknown := [name for name in names if name not in allowed]:
        raise argparse.ArgumentTypeError(f"got {shown(unknown[0])}; expected one or several of {','.join(allowed)}")
    return names


def count(text: str, least: int = 0, most: int = MOST, why: str = "more was not meant") -> int:
    """A whole number in bounds."""
    if not text.isdecimal() or int(text[:20]) < least:
        raise argparse.ArgumentTypeError(f"got {shown(text)}; expected a whole number from {least}")
    # Python makes no number of thousands of digits
    if len(text) > 20 or int(text) > most:
        raise argparse.ArgumentTypeError(f"got {shown(text)}; expected at most {most:,}: {why}")
    return int(text)


def positive(most: int = MOST, why: str = "more was not meant") -> Callable[[str], int]:
    """A type of argument: a whole number from 1 to some most, and why not more."""
    return partial(count, least=1, most=most, why=why)


def beside_each_other(least: int = 1) -> Callable[[str], int]:
    """A type of argument: processes or threads on the cores at hand."""
    why = f"{PER_CORE} on each of the {cores()} cores at hand; more only wait for each other"
    return partial(count, least=least, most=most_processes(), why=why)


def case(text: str) -> SearchCase:
    """d,S,K."""
    try:
        d, S, K = map(int, text.split(","))
        return SearchCase(d=d, S=S, K=K)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"got {shown(text)}; expected d,S,K where S divides d and K is at least 2, for example 128,64,512"
        ) from None
