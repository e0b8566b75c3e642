"""Reads synthesised templates; what is only known at deploy stands as `${stack/logical id}` in the text."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_SUBSTITUTE = re.compile(r"\$\{([^!}]+)\}")


class Templates:
    """All templates of a deployment.

    A place is `${stack/logical id}`; an attribute of it is `${stack/logical id}.Arn` in a text.

    Args:
        by_stack: the templates by their stack's name.
    """

    def __init__(self, by_stack: Mapping[str, Mapping[str, Any]]) -> None:
        self._by_stack = by_stack

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """The properties of all resources of a type, by place; references in them are made unambiguous."""
        return {
            f"${{{stack}/{name}}}": _within(stack, one.get("Properties", {}))
            for stack, template in self._by_stack.items()
            for name, one in template.get("Resources", {}).items()
            if one["Type"] == kind
        }

    def at(self, place: str) -> dict[str, Any]:
        """The properties of the resource at a place.

        Raises:
            KeyError: there is none.
        """
        stack, name = place[2:-1].split("/", 1)
        properties: dict[str, Any] = self._by_stack[stack]["Resources"][name].get("Properties", {})
        return properties

    def text(self, value: Any) -> str:
        """A property as text, as far as it is known before the deploy."""
        if not isinstance(value, dict):
            return value if isinstance(value, str) else json.dumps(value)
        ((function, argument),) = value.items()
        match function:
            case "Ref":
                return f"${{{argument}}}"
            case "Fn::GetAtt":
                return f"${{{argument[0]}}}.{argument[1]}"
            case "Fn::Join":
                return str(argument[0]).join(self.text(part) for part in argument[1])
            case "Fn::GetStackOutput":
                stack = argument["StackName"]
                output = self._by_stack[stack]["Outputs"][argument["OutputName"]]["Value"]
                return self.text(_within(stack, output))
            case _:
                return f"${{{function}}}" + json.dumps(argument)


def _within(stack: str, value: Any) -> Any:
    """The same property with its references saying which stack they mean."""
    if isinstance(value, list):
        return [_within(stack, one) for one in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"Ref": str(name)} if not name.startswith("AWS::"):
            return {"Ref": f"{stack}/{name}"}
        case {"Fn::GetAtt": [str(name), attribute]}:
            return {"Fn::GetAtt": [f"{stack}/{name}", attribute]}
        case {"Fn::Sub": _}:
            return {"Fn::Sub": _substituted(stack, value["Fn::Sub"])}
    return {key: _within(stack, one) for key, one in value.items()}


def _substituted(stack: str, value: Any) -> Any:
    return _SUBSTITUTE.sub(rf"${{{stack}/\1}}", value) if isinstance(value, str) else _within(stack, value)
