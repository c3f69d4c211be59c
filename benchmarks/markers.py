"""Markers in documents: text that a function of the kept results writes, and measured figures that stand outside of markers.

A marker is `<!--= value("training", "times ours", {"epoch of": "torch dense"}) -->19.9<!--/-->`: a call with literal arguments,
the text it returned last, and the end. Browsers and Jupyter show the text alone.
"""

import ast
import re

MARKER = re.compile(r"(<!--=\s*(.+?)\s*-->)(.*?)(<!--/-->)", re.DOTALL)
# A number with a unit of measurement, a mean with its deviation, or a decimal number as a cell of a table. Numbers of things
# (epochs, links, seeds) are settings.
NUMBER = r"(?<![\w.,])[-−+]?\d[\d.,]*"
UNIT = r"(?:%|per cent|points?|times|×(?!\s*\d)|[mµn]?s|seconds?|minutes?|hours?|[kKMG]i?B(?:/s)?|GF/s)"
QUANTITY = rf"{NUMBER}(?:\s*(?:±|–|to|and)\s*{NUMBER})?[ \u00a0]?{UNIT}(?![\w/])"
FIGURE = re.compile(rf"{QUANTITY}|{NUMBER}\s*±\s*{NUMBER}|(?<=\| )\d[\d,]*\.\d+")
# What cannot hold a measurement: code, mathematics, addresses, comments. Markers go first.
SKIPPED = re.compile(r"```.*?```|`[^`\n]*`|\$[^$\n]*\$|\]\([^)\s]*\)|<!--.*?-->", re.DOTALL)


def call(expression, functions):
    """The text of an expression: a call of one of `functions` with literal arguments. ValueError for anything else."""
    try:
        node = ast.parse(expression, mode="eval").body
        arguments = [ast.literal_eval(argument) for argument in node.args]
        function = functions[node.func.id]
    except (SyntaxError, AttributeError, KeyError, ValueError) as error:
        raise ValueError(f"marker {expression!r} must be a call of one of {sorted(functions)} with literals") from error
    return function(*arguments)


def fill(text, functions):
    """The text with every marker's content written anew."""
    return MARKER.sub(lambda match: match[1] + call(match[2], functions) + match[4], text)


def outdated(text, functions):
    """[(expression, what the text says, what it should say)] of the markers that differ."""
    found = [(match[2], match[3], call(match[2], functions)) for match in MARKER.finditer(text)]
    return [one for one in found if one[1] != one[2]]


def typed(text, allowed=()):
    """Measured figures that stand outside of markers; `allowed`: phrases that are left out of the search."""
    for phrase in allowed:
        text = text.replace(phrase, "")
    return [match[0] for match in FIGURE.finditer(SKIPPED.sub(" ", MARKER.sub(" ", text)))]
