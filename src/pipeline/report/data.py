"""The data of the page: in the page while they are few, else in files beside it that it loads when it needs them."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

INLINE = 4_000_000
"""Bytes of data up to which a report is a single file, which can be sent as it is."""


class DataFiles:
    """Named values for the page.

    A value is a script that hands it to the page, because a page that is opened from a folder may load scripts and
    nothing else. The folder is there when `publish` returns.

    Parameters
    ----------
    folder : Path
        The folder beside the page.
    limit : int, optional
        Bytes up to which the values stay in the page, and the folder empty; `INLINE` if it is left out.
    """

    def __init__(self, folder: Path, limit: int | None = None) -> None:
        self.size = 0
        self._folder, self._limit = folder, INLINE if limit is None else limit
        self._temporary = folder.with_name(f".{folder.name}.tmp")
        self._inline: dict[str, str] | None = {}
        shutil.rmtree(self._temporary, ignore_errors=True)
        self._temporary.mkdir(parents=True)

    def put(self, name: str, value: Any) -> None:
        """Add a value that JSON can hold."""
        text = script_json(value)
        self.size += len(text)
        if self._inline is None:
            self._write(name, text)
            return
        self._inline[name] = text
        if self.size > self._limit:
            kept, self._inline = self._inline, None
            for one, content in kept.items():
                self._write(one, content)

    def publish(self) -> Mapping[str, str]:
        """Put the folder in its place, and return the values that the page holds itself, as JSON by name."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._temporary.rename(self._folder)
        return self._inline or {}

    def _write(self, name: str, text: str) -> None:
        script = f'arrived("{name}",{text});\n'
        (self._temporary / f"{name}.js").write_text(script, encoding="utf-8")


def script_json(data: Any) -> str:
    """Return JSON that cannot end the script element it stands in, whatever a file was called."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
