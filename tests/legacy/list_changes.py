"""Print, as JSON, every attribute and module that installing compatibility mode changes.

``python list_changes.py OWNER ...`` prints {"attributes", "new_modules", "deleted_modules", "k"}.
An OWNER such as ``keras.Model`` is the name under which its changes are printed. All modules that
take part are imported first, so that only patches change something.
"""

import importlib
import importlib.util
import json
import pkgutil
import sys

OWNERS = sys.argv[1:]
sys.orig_argv.append("bert4keras.legacy")
sys.argv = ["-m"]  # as at the start of ``python -m bert4keras.legacy``: not installed yet

from bert4keras import legacy  # noqa: E402


def import_modules():
    """Import all modules that the installation imports."""
    for module in pkgutil.iter_modules(legacy.__path__, "bert4keras.legacy."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    importlib.import_module("tensorflow.python.framework.graph_util")
    for path in ("compat.v1.graph_util", "compat.v1.train.experimental", "compat.v1.saved_model"):
        resolve(f"tensorflow.{path}")
    resolve("tensorflow.distribute.experimental")
    importlib.util.find_spec("distutils")  # setuptools imports much here


def resolve(path):
    """Return the module or class of a dotted path."""
    module, *names = path.split(".")
    value = importlib.import_module(module)
    for name in names:
        module = f"{module}.{name}"
        value = getattr(value, name, None) or importlib.import_module(module)
    return value


def snapshot():
    """Return {id of a module or class: (name, attributes)}."""
    owners = {}
    for name, module in list(sys.modules.items()):
        is_module = isinstance(module, type(sys))  # lazy modules are instances of other classes
        if not is_module or name.startswith(("bert4keras.legacy", "__main__", "__mp_main__")):
            continue
        owners.setdefault(id(module), (name, dict(vars(module))))
        for value in list(vars(module).values()):
            is_class = isinstance(value, type) and "bert4keras.legacy" not in str(value.__module__)
            if is_class and id(value) not in owners:
                full_name = f"{value.__module__}.{value.__qualname__}"
                owners[id(value)] = full_name, dict(vars(value))
    return owners


def changed_attributes(before, after, names):
    """Return {owner: attributes that are new, replaced or deleted}."""
    missing, owner_changes = object(), {}
    for key, (name, old) in before.items():
        new = after.get(key, (name, old))[1]
        attributes = [x for x in {**old, **new} if old.get(x, missing) is not new.get(x, missing)]
        attributes = [x for x in attributes if x != "__warningregistry__"]  # Python sets it
        if attributes:
            owner_changes[names.get(key, name)] = sorted(attributes)
    return owner_changes


def main():
    """Install compatibility mode between two snapshots."""
    import_modules()
    names = {id(resolve(owner)): owner for owner in OWNERS if can_resolve(owner)}
    before, modules = snapshot(), set(sys.modules)
    legacy.install()
    result = {
        "attributes": changed_attributes(before, snapshot(), names),
        "new_modules": sorted(set(sys.modules) - modules),
        "deleted_modules": sorted(modules - set(sys.modules)),
        "k": sorted(vars(resolve("bert4keras.backend.keras2"))),
    }
    print(json.dumps(result))


def can_resolve(owner):
    """True if the package of an owner is loaded; torch is loaded for its own backend alone."""
    return owner.split(".")[0] in sys.modules


if __name__ == "__main__":
    main()
