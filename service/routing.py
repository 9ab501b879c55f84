"""Which view answers a path: Werkzeug's map, with a memory for paths without variables."""

from typing import Any

from werkzeug.routing import Map, MapAdapter, Rule


class Routes(Map):
    """A map that remembers the endpoint of each path without variables."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.static: dict[tuple[str, str], Rule] = {}
        super().__init__(*args, **options)

    def add(self, *factories: Any) -> None:
        """Add rules, and forget what others have answered."""
        super().add(*factories)
        self.static.clear()


class Adapter(MapAdapter):
    """Looks up a request's path, at first in what is remembered."""

    map: Routes

    def match(self, path_info: Any = None, method: Any = None, *args: Any, **options: Any) -> Any:
        """Match as Werkzeug does. What asks for another path or method gets no memory."""
        if args or path_info is not None or method is not None or options != {"return_rule": True}:
            return super().match(path_info, method, *args, **options)
        asked = self.path_info, self.default_method
        rule = self.map.static.get(asked)
        if rule is not None:
            return rule, {}
        rule, values = super().match(return_rule=True)
        # With the path as it stands in the rule, and a method that the rule names, these are as
        # many as there are rules. A rule for any method names none.
        if rule.rule == asked[0] and asked[1] in (rule.methods or ()) and not rule.arguments:
            self.map.static[asked] = rule
        return rule, values
