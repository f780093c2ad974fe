"""A child process that does what it is told: answer, crash, end, wait, or take memory.

Of questions about identifiability, which come as a dict, it never makes an end.
"""

from __future__ import annotations

import os
import time
from typing import Any

from idfit.formats.child import serve


def answer(request: Any) -> Any:
    match request:
        case "crash":
            os.abort()
        case "end":
            os._exit(3)
        case "wait" | {"question": _}:
            time.sleep(60)
        case "memory":
            return len(bytearray(10 << 30))
        case "open":
            try:
                with open(__file__, "rb"):
                    return "opened"
            except OSError:
                return "refused"
        case "print":
            os.write(1, b"not an answer\n")
    return [request, os.getpid()]


if __name__ == "__main__":
    serve(answer)
