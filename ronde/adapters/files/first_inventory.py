"""A first inventory to start from: commented, valid, and recognisably an example."""

import json
from importlib.resources import files
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from ronde.model.errors import InputError
from ronde.model.inventory import Client, Provider

_TEMPLATES: Final = ("provider.yml", "clients/client-example.yml")


def schemas() -> dict[str, dict[str, object]]:
    """JSON Schemas of the two kinds of file, by name."""
    named: dict[str, type[BaseModel]] = {"provider": Provider, "client": Client}
    return {
        name: {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            **model.model_json_schema(mode="validation"),
            "title": f"Ronde inventory: {name}",
        }
        for name, model in named.items()
    }


def write_first_inventory(directory: Path) -> list[Path]:
    """Write it; the files written.

    Raises:
        InputError: one of them exists already (then nothing is written), or the directory cannot be written.
    """
    source = files("ronde.adapters.files") / "first"
    content = {name: (source / name).read_text("utf-8") for name in _TEMPLATES}
    content |= {f".schema/{name}.json": json.dumps(schema, indent=2) + "\n" for name, schema in schemas().items()}
    taken = [str(directory / name) for name in content if (directory / name).exists()]
    if taken:
        raise InputError(f"{', '.join(taken)} exists already; nothing was written")
    try:
        (directory / "certificates").mkdir(parents=True, exist_ok=True)
        return [_write(directory / name, text) for name, text in content.items()]
    except OSError as error:
        raise InputError(f"{error.filename or directory} cannot be written: {error.strerror}") from error


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as stream:  # never over a file that appeared meanwhile
        stream.write(text)
    return path
