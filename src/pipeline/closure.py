"""A hash of the code that a stage runs: its own files and all that they import, found in the source.

The Snakefile asks for it in every job. So nothing is imported here but the standard library, and of each file
only the import statements are parsed.

A stage is a subpackage with a module ``driver``. What a stage imports from another one is a declaration, as the
table of a product: of its modules only the imports at the top count, not those inside of functions, which run
in the other stage.
"""

import ast
import hashlib
import os
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).parent
"""The package."""
_STATEMENT = re.compile(
    rb"^[ \t]*((?:from[ \t]+[.\w]+[ \t]+)?import[ \t]+(?:\((?:[^)#]|#[^\n]*)*\)|(?:\\\n|[^\n])*))",
    re.MULTILINE,
)
"""An import, up to the end of its line or its closing bracket; also in a function, or what looks like one."""


@lru_cache
def code_version(*parts: str, root: Path = ROOT) -> str:
    """Return a hash of the code of subpackages or modules and of all that they import of the package.

    Parameters
    ----------
    *parts : str
        Names under the package: ``"fit"``, ``"columns"``. Of a subpackage all files count, also those that
        are not Python.
    root : Path, optional
        Folder of the package.
    """
    digest = hashlib.sha256()
    code = _code(str(root))
    for file in sorted(code.imported(parts)):
        digest.update(file.encode() + b"\0" + code.read(file))
    return digest.hexdigest()[:16]


def imported(parts: Iterable[str], root: Path = ROOT) -> set[str]:
    """Return the files of subpackages or modules, and of all modules of the package that they import.

    Parameters
    ----------
    parts : sequence of str
        See `code_version`.
    root : Path, optional
        Folder of the package.

    Returns
    -------
    set of str
        Paths under the root.

    Raises
    ------
    FileNotFoundError
        For a part that does not exist.
    """
    return _code(str(root)).imported(parts)


class _Code:
    """The files of a package, each read and parsed once."""

    def __init__(self, root: str):
        self.root, self.name = root, os.path.basename(root)
        self.files: set[str] = set()
        for folder, _, names in os.walk(root):
            if not folder.endswith("__pycache__"):
                inside = folder[len(root) + 1 :].replace(os.sep, "/")
                self.files.update(f"{inside}/{n}" if inside else n for n in names)
        self.stages = {f.partition("/")[0] for f in self.files if f.endswith("/driver.py")}
        self.known: dict[tuple[str, bool], set[str]] = {}

    def read(self, file: str) -> bytes:
        """Return what is in a file."""
        with open(os.path.join(self.root, file), "rb") as handle:
            return handle.read()

    def imported(self, parts: Iterable[str]) -> set[str]:
        """See the function."""
        found: set[str] = set()
        waiting: list[str] = []
        parts = tuple(parts)
        others = self.stages - {part.partition(".")[0] for part in parts}
        for part in parts:
            path = part.replace(".", "/")
            inside = [f for f in self.files if f == f"{path}.py" or f.startswith(f"{path}/")]
            if not inside:
                raise FileNotFoundError(f"no module {part!r} in {self.root}")
            waiting += inside
        while waiting:
            file = waiting.pop()
            if file not in found:
                found.add(file)
                if file.endswith(".py"):
                    waiting += self.imports(file, at_top=file.partition("/")[0] in others)
        return found

    def imports(self, file: str, at_top: bool = False) -> set[str]:
        """Return the files of the package that one of its modules imports, inside functions too or not."""
        if (file, at_top) in self.known:
            return self.known[file, at_top]
        out: set[str] = set()
        name = self.name.encode()
        for match in _STATEMENT.finditer(self.read(file)):
            statement = match[1]
            if at_top and match.start() != match.start(1):
                continue
            if name in statement or statement.startswith(b"from ."):
                try:
                    nodes = ast.parse(statement).body
                except SyntaxError:  # a sentence in a docstring
                    continue
                for node in nodes:  # several where there are semicolons
                    out |= self.named(node, file)
        self.known[file, at_top] = out
        return out

    def named(self, node: ast.AST, file: str) -> set[str]:
        """Return the files of the package that an import statement of a module names."""
        out: set[str] = set()
        if isinstance(node, ast.Import):
            for alias in node.names:
                first, *path = alias.name.split(".")
                if first == self.name:
                    out |= self._resolved(path, None)
            return out
        if not isinstance(node, ast.ImportFrom):
            return out
        path = node.module.split(".") if node.module else []
        if node.level:
            above = file.split("/")[:-1]
            path = [*above[: len(above) + 1 - node.level], *path]
        elif path[0] != self.name:
            return out
        else:
            path = path[1:]
        for alias in node.names:
            out |= self._resolved(path, alias.name)
        return out

    def _resolved(self, path: list[str], member: str | None) -> set[str]:
        """Files that run when a module is imported, or a member of it; packages above it included.

        The root's own file counts only where something is taken from it: all it holds is the version.
        """
        above = ["/".join([*path[: k + 1], "__init__.py"]) for k in range(len(path))]
        out = {*above, "/".join(path) + ".py"}
        inside = {"/".join([*path, f"{member}.py"]), "/".join([*path, str(member), "__init__.py"])}
        inside &= self.files
        if not path and not inside:
            out.add("__init__.py")
        return (out | inside) & self.files


@lru_cache
def _code(root: str) -> _Code:
    """Return the code of a package. It is read once in a process, because it is the code that runs."""
    return _Code(root)
