"""A web server on this machine."""

from web_server import server  # noqa: F401, fixture of this folder
