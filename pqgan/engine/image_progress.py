"""How far a command is that goes through images: a bar on a terminal, a line now and then where there is none."""

import sys
import time

from tqdm import tqdm

LINE_EVERY = 10.0
"""Seconds between two lines."""


class ImageProgress:
    """Both go to stderr.

    Args:
        name: of what is done.
        total: images.
        quiet: says nothing: in processes but the first.
    """

    def __init__(self, name: str, total: int, quiet: bool = False):
        self.name, self.total, self.done = name, total, 0
        self._lines = not quiet and not sys.stderr.isatty()
        self._bar = tqdm(total=total, desc=name, unit="image", disable=quiet or self._lines)
        self._start = self._line = self._now = time.perf_counter()

    def __enter__(self) -> "ImageProgress":
        return self

    def __exit__(self, *_) -> None:
        self._bar.close()

    def add(self, images: int) -> None:
        """So many more are done."""
        self.done += images
        self._bar.update(images)
        self._now = time.perf_counter()
        if self._lines and self._now - self._line >= LINE_EVERY and self.done < self.total:
            left = tqdm.format_interval((self.total - self.done) / self.speed)
            text = f"{self.name} {self.done}/{self.total} images, {self.speed:.1f} images/s, {left} left"
            print(text, file=sys.stderr, flush=True)
            self._line = self._now

    @property
    def speed(self) -> float:
        """Images a second, to the last of them."""
        return self.done / (self._now - self._start)
