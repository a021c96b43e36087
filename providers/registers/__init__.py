"""Registers: the files that are the statements of providers without list calls.

What the columns mean is data (``maps/*.toml``). A register is read as a stream, and proves that it is whole before its
last line counts. Not here: where files come from beside HTTP, and what becomes of the lines.
"""

from providers.registers.download import AT_REST, REGISTER, Register, pages_of
from providers.registers.explain import Explanation, explain
from providers.registers.maps import RegisterMap, load_map
from providers.registers.reading import read_register

__all__ = [
    "AT_REST",
    "REGISTER",
    "Explanation",
    "Register",
    "RegisterMap",
    "explain",
    "load_map",
    "pages_of",
    "read_register",
]
