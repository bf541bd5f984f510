"""What the shop sells."""
import json
from dataclasses import dataclass

KINDS = ["teapot", "kettle", "cup", "saucer", "spoon", "tray", "tin", "strainer", "jug", "cosy"]
FINISHES = ["plain", "glazed", "copper", "blue", "travel", "tall", "small", "festive"]


@dataclass(frozen=True)
class Item:
    sku: str
    title: str
    kind: str
    cents: int


class Catalogue:
    def __init__(self):
        self.items = {}
        for kind_number, kind in enumerate(KINDS):
            for finish_number, finish in enumerate(FINISHES):
                sku = f"{kind[:3].upper()}-{finish_number:02d}"
                cents = 350 + 275 * kind_number + 120 * finish_number
                self.items[sku] = Item(sku, f"{finish.capitalize()} {kind}", kind, cents)
        self.pages = {}

    def find(self, sku):
        return self.items[sku]

    def page(self, kind):
        """The listing of one kind as JSON; there are few kinds, so each is rendered once."""
        if kind not in self.pages:
            listed = [item for item in self.items.values() if item.kind == kind]
            self.pages[kind] = json.dumps(
                [{"sku": item.sku, "title": item.title, "cents": item.cents} for item in listed]
            ).encode()
        return self.pages[kind]
