"""Tokens to a syntax tree by the grammar of formulas (grammar.lark); what to say of texts that do not fit."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from lark import Lark, Token, UnexpectedInput
from lark.lexer import Lexer

from idfit.expressions.errors import ExpressionError, excerpt
from idfit.expressions.tokens import MAX_DEPTH, looks_like_a_path, path_error, tokenize


class Node:
    """A piece of the formula: `op` is the rule of the grammar, `text` its name, number or operators."""

    __slots__ = ("args", "depth", "end", "op", "start", "text")

    def __init__(self, op: str, args: list[Node], start: int, end: int, text: str = ""):
        self.op, self.args, self.start, self.end, self.text = op, args, start, end, text
        self.depth = 1 + max((a.depth for a in args), default=0)
        if self.depth > MAX_DEPTH:
            raise ExpressionError(
                start + 1,
                f"{op} nested {self.depth} deep",
                f"a formula may be nested {MAX_DEPTH} deep",
                "split it with [assignments]",
                "E08",
            )


def syntax_tree(text: str) -> Node:
    """The tree of a formula; raises `ExpressionError` with the place of the first thing that does not fit."""
    try:
        return _parser().parse(text)  # type: ignore[return-value]
    except UnexpectedInput as error:
        raise _syntax_error(text, error) from None


class _Tokens(Lexer):
    def __init__(self, lexer_conf):
        pass

    def lex(self, lexer_state, parser_state=None):
        text: Any = lexer_state  # lark hands the text itself to lexers that it did not make
        return iter(list(tokenize(text)))  # all at once: a bad character is said before a bad order


class _Nodes:
    """Called by the parser at each reduction, so that no tree of tokens is ever built or walked."""

    def number(self, children):
        (token,) = children
        return Node("number", [], token.start_pos, token.end_pos, str(token))

    def name(self, children):
        (token,) = children
        return Node("name", [], token.start_pos, token.end_pos, str(token))

    def call(self, children):
        name, arguments = children[0], [c for c in children if isinstance(c, Node)]
        return Node("call", arguments, name.start_pos, children[-1].end_pos, str(name))

    def group(self, children):
        left, node, right = children
        node.start, node.end = left.start_pos, right.end_pos
        return node

    def sign(self, children):
        token, node = children
        return Node("sign", [node], token.start_pos, node.end, str(token))

    def negation(self, children):
        token, node = children
        return Node("negation", [node], token.start_pos, node.end)

    def power(self, children):
        base, _, exponent = children
        return Node("power", [base, exponent], base.start, exponent.end)

    def sum(self, children):
        return _infix("sum", children)

    def product(self, children):
        return _infix("product", children)

    def comparison(self, children):
        return _infix("comparison", children)

    def logic(self, children):
        return _infix("logic", children)


def _infix(op: str, children: list) -> Node:
    operands = children[::2]
    operators = " ".join(children[1::2])
    return Node(op, operands, operands[0].start, operands[-1].end, operators)


@cache
def _parser() -> Lark:
    grammar = files("idfit.expressions").joinpath("grammar.lark").read_text("utf-8")
    return Lark(grammar, parser="lalr", lexer=_Tokens, transformer=_Nodes(), maybe_placeholders=False)


def _syntax_error(text: str, error: UnexpectedInput) -> ExpressionError:
    token = getattr(error, "token", None)
    if not isinstance(token, Token) or token.type == "$END":
        stripped = text.rstrip()
        opened = text.count("(") - text.count(")")
        remedy = f"add {')' * opened}" if opened > 0 else "complete it"
        return ExpressionError(
            len(stripped) + 1, excerpt(stripped[-20:]), "the formula ends too early", remedy
        )
    position = token.start_pos or 0
    if looks_like_a_path(text):
        return path_error(text, position)
    before = text[:position].rstrip()
    after = text[position + len(token) :].lstrip()
    rule, remedy, code = "an operator is missing here", "write * to multiply", "E03"
    match token.type:
        case "COMMA":
            rule, remedy = "a comma stands only between the arguments of a function", "remove it"
            if before[-1:].isdigit() and after[:1].isdigit():
                remedy, code = "write a decimal point: " + _around(text, position, "."), "E15"
        case "NAME" if token in ("and", "or", "not"):
            remedy = f"write {({'and': '&&', 'or': '||', 'not': '!'})[str(token)]}"
        case "NAME" if token in ("if", "else", "for", "in", "is", "lambda"):
            remedy = (
                "write piecewise(value, condition, otherwise) for a choice; a formula has no other statements"
            )
        case "NAME" | "NUMBER":
            if before.endswith(("not", "lambda")):
                remedy = "write ! for 'not'; a formula has no statements"
        case "LPAR":
            remedy = "write * to multiply; only a name can be called as a function"
        case "RPAR":
            rule, remedy = (
                "this closing parenthesis fits nothing",
                "remove it, or complete what stands before it",
            )
        case _:
            rule, remedy = (
                f"nothing that {str(token)!r} could follow stands before it",
                "complete or remove it",
            )
    return ExpressionError(position + 1, excerpt(str(token)), rule, remedy, code)


def _around(text: str, position: int, plain: str) -> str:
    start, end = position, position + 1
    while start and text[start - 1].isdigit():
        start -= 1
    while end < len(text) and text[end].isdigit():
        end += 1
    return text[start:position] + plain + text[position + 1 : end]
