"""The scripts and styles beside the modules that use them."""

from pathlib import Path


def beside(module: str, name: str) -> str:
    """The text of a file in the folder of a module, of which `module` is the `__file__`."""
    return Path(module).with_name(name).read_text(encoding="utf-8")
