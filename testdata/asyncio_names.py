"""Prints the public names of asyncio, one on a line. The lists of two versions are recorded:

    python3.13 asyncio_names.py > asyncio_names_3.13.txt
    python3.14 asyncio_names.py > asyncio_names_3.14.txt

A method or an attribute stands behind the class that introduces it. The names that asyncio has on Windows alone, and
those that it makes when they are asked for, are read from its source.
"""

import ast
import asyncio
import asyncio.subprocess
import dataclasses
import inspect
import pathlib
import warnings

names = set()


def public(attributes):
    return [a for a in attributes if not a.startswith("_")]


def add(name, value):
    names.add(name)
    if inspect.isclass(value) and value.__module__ != "builtins":
        inherited = {a for base in value.__mro__[1:] for a in dir(base)}
        fields = [f.name for f in dataclasses.fields(value)] if dataclasses.is_dataclass(value) else []
        names.update(f"{name}.{a}" for a in public(dir(value) + fields) if a not in inherited)


def source(module):
    path = pathlib.PurePath(asyncio.__file__).with_name(module)
    return ast.parse(asyncio.__loader__.get_data(str(path)))


for name in public(dir(asyncio)):
    if not inspect.ismodule(getattr(asyncio, name)):
        add(name, getattr(asyncio, name))
for name in "PIPE", "STDOUT", "DEVNULL", "Process":
    add("subprocess." + name, getattr(asyncio.subprocess, name))

for node in source("windows_events.py").body:
    if isinstance(node, ast.Assign) and node.targets[0].id == "__all__":
        names.update(public(ast.literal_eval(node.value)))
warnings.simplefilter("ignore")  # of names that are to go
for node in ast.walk(source("__init__.py")):
    if isinstance(node, ast.FunctionDef) and node.name == "__getattr__":
        for name in [c.value for c in ast.walk(node) if isinstance(c, ast.Constant)]:
            if isinstance(name, str) and name.endswith("Policy") and not name.startswith("_"):
                add(name, getattr(asyncio, name, None))

# Attributes that an instance gets when it is made.
names.update("subprocess.Process." + a for a in ("pid", "stdin", "stdout", "stderr"))
names.update(["IncompleteReadError.expected", "IncompleteReadError.partial", "LimitOverrunError.consumed"])
names.add("BaseEventLoop.slow_callback_duration")

print("\n".join(sorted(names)))
