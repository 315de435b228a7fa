"""Types of a resource from the models of an Azure SDK for Python, in the words of types.json.

Usage, by generate.py: sdk.py MODULE CLASS, under a Python that has the SDK. Writes JSON to standard output.
"""

import enum
import importlib
import json
import re
import sys

SCALARS = {"str": "string", "int": "int", "long": "int", "float": "any", "bool": "bool", "object": "any",
           "iso-8601": "string", "duration": "string"}
LIMITS = {"pattern": "pattern", "min_length": "min_length", "max_length": "max_length", "minimum": "min",
          "maximum": "max", "min_items": "min_length", "max_items": "max_length"}
# Set by Azure Resource Manager, or by Bicep itself.
OF_EVERY_RESOURCE = {"id": {"read_only": True}, "type": {"read_only": True}, "apiVersion": {"read_only": True}}


class Types:
    """All types met so far."""

    def __init__(self, module):
        self.module = module
        self.found = {}

    def add(self, name, model):
        if name in self.found:
            return
        entry = self.found[name] = {"properties": {}}
        for attribute, (path, written) in wire_names(model).items():
            if not path[0]:  # "Anything else": what a newer version may have.
                continue
            described = self.property(model, attribute, written)
            owner = entry
            for depth, key in enumerate(path[:-1]):
                owner = self.inner(name, path[: depth + 1], key, owner, "required" in described)
            owner["properties"][path[-1]] = described
        self.add_variants(entry, model)

    def inner(self, name, path, key, owner, required):
        """The object that the SDK spares its users: `properties.enabled` is an attribute `enabled`."""
        inner = ".".join([name, *path])
        place = owner["properties"].setdefault(key, {"type": inner})
        if required:
            place["required"] = True
        return self.found.setdefault(inner, {"properties": {}})

    def add_variants(self, entry, model):
        variants = vars(model).get("_subtype_map")
        if variants:
            ((attribute, names),) = variants.items()
            entry["discriminator"] = ".".join(wire_names(model)[attribute][0])
            entry["variants"] = names
            for name in names.values():
                self.add(name, getattr(self.module, name))

    def property(self, model, attribute, written):
        rules = getattr(model, "_validation", {}).get(attribute, {})
        if rules.get("readonly"):
            return {"read_only": True}
        described = self.described(written)
        target = described.get("items", described)
        target.update(self.values(model, attribute))
        described.update({LIMITS[rule]: value for rule, value in rules.items() if rule in LIMITS})
        return described | ({"required": True} if rules.get("required") else {})

    def described(self, written):
        if written.startswith("["):
            return {"items": self.described(written[1:-1])}
        if written.startswith("{"):
            name = f"map of {written[1:-1]}"
            self.found[name] = {"properties": {}, "additional": self.described(written[1:-1])}
            return {"type": name}
        if written in SCALARS:
            return {"type": SCALARS[written]}
        self.add(written, getattr(self.module, written))
        return {"type": written}

    def values(self, model, attribute):
        """An enumeration is named in the description only; the SDKs leave all of them open."""
        mentioned = re.search(rf":vartype {attribute}: .*?~[\w.]*\.(\w+)", model.__doc__ or "")
        values = getattr(self.module, mentioned[1], None) if mentioned else None
        if isinstance(values, type) and issubclass(values, enum.Enum):
            return {"values": sorted(str(each.value) for each in values), "open": True}
        return {}


def wire_names(model):
    """Attribute → path on the wire and type. A dot within a name is written `\\\\.`."""
    split = re.compile(r"(?<!\\)\.")
    return {
        attribute: ([part.replace("\\.", ".") for part in split.split(each["key"])], each["type"])
        for attribute, each in model._attribute_map.items()
    }


def main():
    module = importlib.import_module(sys.argv[1])
    types = Types(module)
    types.add("body", getattr(module, sys.argv[2]))
    body = types.found["body"]["properties"]
    name = {key: value for key, value in body.get("name", {}).items() if key != "read_only"}
    body |= OF_EVERY_RESOURCE | {"name": {"type": "string", "required": True} | name}
    json.dump(types.found, sys.stdout)


main()
