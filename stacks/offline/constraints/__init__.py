"""What AWS refuses although every property has the right type, found before anything is made.

A rule is a small function from a resource (`view.View`) to what is wrong with it; bounds, choices
and forms of single properties are rows of `data/limits.toml`. A value that is not known yet breaks
no rule. Rules that need another resource find it among those of the run:

- by its id, where that is known: during an `up`, and in a preview for what exists already;
- in a preview of a resource that does not exist yet, among all of its type that the program
  declares. With one of them that is certain; with several, a rule is broken where it is broken
  for every one of them.
"""

from stacks.offline.constraints.registry import problems, rules_of
from stacks.offline.constraints.view import Planned, View

__all__ = ["Planned", "View", "problems", "rules_of"]
