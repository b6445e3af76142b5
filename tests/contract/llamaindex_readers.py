"""LlamaIndex readers for the tests, in a module that can be imported."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kbm_connectors.llamaindex import LlamaIndexConnector

from kbm.domain.sync import Json, Ref

SECRET = "s3cret-of-the-reader"


READERS = '''
import json, logging, os, sys, time, uuid

class Document:
    def __init__(self, id_, text, metadata):
        self.id_, self.text, self.metadata = id_, text, metadata

class JsonReader:
    """Gives what a file says: [id, text, metadata] each."""
    def __init__(self, path, password=""):
        self.path, self.password = path, password
    def load_data(self, only=None):
        with open(self.path) as file:
            rows = json.load(file)
        return [Document(*row) for row in rows if only in (None, row[0])]

class LoggingReader(JsonReader):
    def load_data(self):
        logging.getLogger("their.reader").error("page 7 of %s: 403", self.password)
        return super().load_data()

class PrintingReader(JsonReader):
    def load_data(self):
        print("Failed to load file b.txt with error: no codec. Skipping...")
        return super().load_data()

class ChattyReader(JsonReader):
    def load_data(self):
        print("Loaded 3 files, no errors"); logging.getLogger().warning("this is slow")
        return super().load_data()

class FailingReader(JsonReader):
    def load_data(self):
        raise ConnectionError("https://bert:%s@wiki.example said no" % self.password)

class HalfReader(JsonReader):
    def load_data(self):
        yield from super().load_data()[:1]
        raise TimeoutError("the second page did not come")

class DyingReader(JsonReader):
    def load_data(self):
        os.kill(os.getpid(), 9)

class HangingReader(JsonReader):
    def load_data(self):
        if not os.fork():
            time.sleep(600)
        time.sleep(600)

class RandomReader(JsonReader):
    def load_data(self):
        return [Document(str(uuid.uuid4()), one.text, one.metadata) for one in super().load_data()]

class NothingReader(JsonReader):
    def load_data(self):
        return None

class NeedyReader:
    def __init__(self):
        import package_that_is_nowhere
    def load_data(self):
        return []

class Unnamed(Document):
    model_fields_set = {"text", "metadata"}  # as LlamaIndex's own, whose id nobody gave

class UnnamedReader(JsonReader):
    def load_data(self):
        return [Unnamed(str(uuid.uuid4()), one.text, one.metadata) for one in super().load_data()]
'''


@dataclass
class Readers:
    """A module of readers that can be imported, and the file they read."""

    root: Path

    def connect(self, reader: str = "JsonReader", **settings: Any) -> LlamaIndexConnector:
        (self.root / "secret").write_text(SECRET)
        keys = {
            "reader": reader if ":" in reader else f"kbm_test_readers:{reader}",
            "arguments": {"path": "items.json", "password": "file:secret"},
            "complete": True,
            "timeout_s": 20,
            **settings,
        }
        return LlamaIndexConnector("wiki", keys, self.root)

    @property
    def items(self) -> dict[str, Any]:
        path = self.root / "items.json"
        return {row[0]: row for row in json.loads(path.read_text())} if path.exists() else {}

    def write(self, items: dict[str, Any]) -> None:
        (self.root / "items.json").write_text(json.dumps(list(items.values())))

    def make(self, id: str, text: str, **metadata: object) -> None:
        self.write({**self.items, id: [id, text, metadata]})

    edit = make

    def remove(self, id: str) -> None:
        self.write({one: row for one, row in self.items.items() if one != id})

    def break_root(self) -> None:
        (self.root / "items.json").write_text("[")


def refs(connector: LlamaIndexConnector, cursor: Json = None) -> dict[str, Ref]:
    return {one.id: one for one in connector.scan(cursor) if isinstance(one, Ref)}
