"""Antimony text to SBML text: the child process ``python -m idfit.formats.antimony_child``."""

from __future__ import annotations

import sys

from idfit.formats.child import LIBRARY_IS_MISSING, serve

try:
    import antimony
except (ImportError, OSError):  # the package loads a library of the system's linker by hand
    sys.exit(LIBRARY_IS_MISSING)


def answer(text: str) -> dict[str, str | None]:
    """``{"sbml": ...}``, with submodels written out, or ``{"error": ...}``."""
    antimony.clearPreviousLoads()
    if antimony.loadAntimonyString(text) < 0:
        return {"error": antimony.getLastError()}
    sbml = antimony.getSBMLString(antimony.getMainModuleName())
    return {"sbml": sbml} if sbml else {"error": antimony.getLastError()}


if __name__ == "__main__":
    serve(answer)
