"""XML that strangers wrote, looked over before any library reads it: no DOCTYPE, bounded size and depth."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from xml.parsers import expat

from idfit.errors import InputError

MAX_BYTES = 50_000_000
MAX_DEPTH = 512
MAX_ELEMENTS = 2_000_000

_SEPARATOR = " "
_ENCODING = re.compile(r"""<\?xml[^>]*?\bencoding\s*=\s*["']([\w.-]+)["']""", re.ASCII)


@dataclass(frozen=True)
class Root:
    """The outermost element: its name, namespace and attributes (those with a namespace as ``uri name``); and
    the namespaces of all elements, and of all attributes but `required` of this one."""

    name: str
    namespace: str
    attributes: dict[str, str]
    used: set[str]


def check_xml(text: str, file: str) -> Root:
    """The root of a well-formed text without DOCTYPE. Errors: `InputError` with the line."""
    declared = _ENCODING.match(text)
    name = declared[1].upper() if declared else "UTF-8"
    if name != "UTF-8" and (name.startswith("UTF") or not text.isascii()):
        rule = "the file says that it has another encoding than UTF-8, and it is in UTF-8"
        remedy = 'write encoding="UTF-8" in its first line'
        raise InputError.of(f"encoding {name}", rule, remedy, code="M06", file=file, line=1)
    scan = _Scan(file)
    try:
        scan.parser.Parse(text.encode("utf-8"), True)
    except expat.ExpatError as error:
        reason = expat.errors.messages.get(error.code, str(error))
        truncated = error.code in (expat.errors.codes[expat.errors.XML_ERROR_NO_ELEMENTS],
                                   expat.errors.codes[expat.errors.XML_ERROR_UNCLOSED_TOKEN])  # fmt: skip
        if scan.root is None:
            given, rule, code = f"begins with {text[:16]!r}", f"is not XML ({reason})", "M03"
        else:
            given, rule, code = "", f"is not well-formed XML ({reason})", "M04"
        remedy = (
            "the file seems to be cut off; get it again" if truncated and scan.root else "export it again"
        )
        raise InputError.of(given, rule, remedy, code=code, file=file, line=error.lineno) from None
    assert scan.root is not None  # what has no element is not well-formed
    return scan.root


@dataclass
class _Scan:
    file: str
    root: Root | None = None
    depth: int = 0
    elements: int = 0
    parser: expat.XMLParserType = field(init=False)

    def __post_init__(self) -> None:
        self.parser = expat.ParserCreate("utf-8", _SEPARATOR)
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.StartDoctypeDeclHandler = self.doctype
        self.parser.EntityDeclHandler = self.doctype

    def start(self, name: str, attributes: dict[str, str]) -> None:
        namespace, _, local = name.rpartition(_SEPARATOR)
        if self.root is None:
            self.root = Root(local, namespace, attributes, set())
            attributes = {key: value for key, value in attributes.items() if not key.endswith(" required")}
        self.root.used.add(namespace)
        self.root.used.update(key.rpartition(_SEPARATOR)[0] for key in attributes if _SEPARATOR in key)
        self.depth += 1
        self.elements += 1
        if self.depth > MAX_DEPTH:
            self.refuse(
                "<" + name.rpartition(_SEPARATOR)[2][:40] + ">",
                f"elements are nested deeper than {MAX_DEPTH}",
                "split the formula into assignment rules",
                "M10",
            )
        if self.elements > MAX_ELEMENTS:
            self.refuse("", f"has more than {MAX_ELEMENTS:,} elements", "reduce the model", "M23")

    def end(self, _name: str) -> None:
        self.depth -= 1

    def doctype(self, *_declaration: object) -> None:
        self.refuse(
            "DOCTYPE",
            "document types and entities are refused: they can name other files and grow without bound",
            "delete the declaration; SBML needs none",
            "M07",
        )

    def refuse(self, given: str, rule: str, remedy: str, code: str) -> None:
        line = self.parser.CurrentLineNumber
        raise InputError.of(given, rule, remedy, code=code, file=self.file, line=line)
