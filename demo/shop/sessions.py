"""Who is shopping, and what lies in their carts."""
import secrets
import threading
from collections import OrderedDict
from dataclasses import dataclass, field

MOST_SESSIONS = 60


@dataclass
class Line:
    item: object
    quantity: int
    note: str = ""

    @property
    def cents(self):
        return self.item.cents * self.quantity


@dataclass
class Cart:
    lines: list = field(default_factory=list)

    def add(self, item, quantity, note):
        self.lines.append(Line(item, quantity, note))

    @property
    def cents(self):
        return sum(line.cents for line in self.lines)


@dataclass
class Session:
    token: str
    customer: str
    cart: Cart = field(default_factory=Cart)


class Sessions:
    """The most recent sessions; the oldest one makes room for a new one."""

    def __init__(self, most=MOST_SESSIONS):
        self.most = most
        self.by_token = OrderedDict()
        self.lock = threading.Lock()

    def open(self, customer):
        session = Session(secrets.token_hex(16), customer)
        with self.lock:
            self.by_token[session.token] = session
            while len(self.by_token) > self.most:
                self.by_token.popitem(last=False)
        return session

    def find(self, token):
        with self.lock:
            return self.by_token.get(token)

    def close(self, token):
        with self.lock:
            self.by_token.pop(token, None)
