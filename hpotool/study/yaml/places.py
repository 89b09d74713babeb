"""Where a problem of several keys is shown."""

from __future__ import annotations

from hpotool.study.yaml.document import Node, Place


def child(node: Node, *path: str) -> Node:
    """The node at ``path`` below ``node``, or its nearest existing ancestor, at which a problem is shown."""
    for key in path:
        content = node.content
        if not isinstance(content, dict) or key not in content:
            return node
        node = content[key].value
    return node


def place_of_key(node: Node, key: str) -> Place:
    """The place of ``key`` in the mapping ``node``, else of the mapping."""
    content = node.content
    return content[key].key_place if isinstance(content, dict) and key in content else node.place
