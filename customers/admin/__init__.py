"""The admin of customers' facts: one module per kind of fact, loaded by name."""

import pkgutil
from importlib import import_module

for _module in pkgutil.iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
