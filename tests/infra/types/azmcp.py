"""Types of a resource as `azmcp bicepschema get` prints them, in the words of types.json."""

SCALARS = {"string", "int", "bool", "any"}


def types(answer, resource, names):
    """Keeps what can be reached from the body by properties that can be written, and of variants those with the names."""
    (body,) = [entry["bodyType"] for entry in answer if entry["$type"] == "Resource"]
    (version,) = [entry["name"].partition("@")[2] for entry in answer if entry["$type"] == "Resource"]
    if version != resource.partition("@")[2]:
        raise SystemExit(f"{resource}: the package has version {version}; change RESOURCES and the templates")
    if "elements" in body and names:
        body["elements"] = [entry for entry in body["elements"] if name_of(entry) in names]
    named = {entry["name"]: entry for entry in answer if entry["$type"] in ("Object", "DiscriminatedObject")}
    found, waiting = {}, [("body", body)]
    while waiting:
        name, entry = waiting.pop()
        if name not in found:
            found[name], needed = one_type(entry, named)
            waiting += [(other, named[other]) for other in needed]
    return found


def name_of(entry):
    """The name that resources of this shape have."""
    (name,) = [each["type"] for each in entry["properties"] if each["name"] == "name"]
    return name


def one_type(entry, named):
    """A type, and the names of those it refers to."""
    needed = set()
    if entry["$type"] == "DiscriminatedObject":
        entry = merged(entry)
    properties = {each["name"]: one_property(each, named, needed) for each in entry["properties"]}
    result = {"properties": properties}
    if "additionalPropertiesType" in entry:
        result["additional"] = described(entry["additionalPropertiesType"], named, needed)
    return result, needed


def merged(entry):
    """Variants as one type: the discriminator takes all their values, and only what all of them have is required."""
    properties = {each["name"]: each for each in entry["baseProperties"]}
    for variant in entry["elements"]:
        for each in variant["properties"]:
            known = properties.setdefault(each["name"], dict(each))
            if known["type"] != each["type"]:
                same_kind = each["name"] == entry["discriminator"]
                known["type"] = f"{known['type']} | {each['type']}" if same_kind else "any"
    return {"properties": list(properties.values())}


def one_property(each, named, needed):
    flags = each.get("flags", "")
    if "ReadOnly" in flags:
        return {"read_only": True}
    result = described(each["type"], named, needed) | limits(each.get("modifiers", ""))
    return result | ({"required": True} if "Required" in flags else {})


def described(written, named, needed):
    """`a | b | string` is an enumeration that may grow, `a | b` one that may not."""
    if written.endswith("[]"):
        return {"items": described(written[:-2], named, needed)}
    if written in named:
        needed.add(written)
        return {"type": written}
    if written in SCALARS:
        return {"type": written}
    values = written.split(" | ")
    return {"type": "string", "values": sorted(set(values) - {"string"})} | ({"open": True} if "string" in values else {})


def limits(modifiers):
    """`minLength: 3, pattern: ^[a-z]{1,2}$`: the pattern comes last and may hold commas."""
    names = {"minLength": "min_length", "maxLength": "max_length", "minValue": "min", "maxValue": "max"}
    rest, _, pattern = modifiers.partition("pattern: ")
    pairs = [pair.split(": ") for pair in rest.split(", ") if ": " in pair]
    found = {names[key]: int(value) for key, value in pairs if key in names}
    return found | ({"pattern": pattern} if pattern else {})
