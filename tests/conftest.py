"""What all tests share."""

from __future__ import annotations

import signal

import pytest

# A shell ignores Ctrl-C for what it runs in the background, and so do its children: tests that send one would
# wait for ever.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_configure(config: pytest.Config) -> None:
    """Compile the kernels before there are workers, each of which would compile them."""
    several = getattr(config.option, "numprocesses", None) and not hasattr(config, "workerinput")
    if not several:
        return
    from idfit.numerics.compilation import kernels_are_compiled
    from idfit.optimize import fit
    from tests.problems import exponential_decay

    if not kernels_are_compiled():
        fit(exponential_decay().problem, n_starts=1, seed=1)
