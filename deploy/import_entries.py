"""Imports what each `billing run NAME` and `billing migrate` start with: shows that an installation has all it needs.

Reads the imports from the commands' own source, because the commands import only when they run.
"""

import ast
import importlib
import inspect

from backoffice import migration
from cli import run


def entries() -> list[str]:
    """The modules that the commands import inside their functions."""
    functions = [
        function
        for source in (run, migration)
        for function in ast.walk(ast.parse(inspect.getsource(source)))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return sorted(
        {
            node.module
            for function in functions
            for node in ast.walk(function)
            if isinstance(node, ast.ImportFrom) and node.module
        }
    )


if __name__ == "__main__":
    for entry in entries():
        importlib.import_module(entry)
        print(entry)
