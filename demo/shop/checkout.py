"""From a cart to a receipt."""
import itertools
import threading
from collections import deque

from shop.promotions import Promotions


class Checkout:
    def __init__(self):
        self.promotions = Promotions()
        self.numbers = itertools.count(1)
        self.recent = deque(maxlen=100)
        self.turnover = 0
        self.lock = threading.Lock()

    def buy(self, session):
        saved = self.promotions.savings(session.cart)
        receipt = {
            "number": next(self.numbers),
            "customer": session.customer,
            "items": sum(line.quantity for line in session.cart.lines),
            "cents": session.cart.cents - saved,
            "saved": saved,
        }
        with self.lock:
            self.turnover += receipt["cents"]
            self.recent.append(receipt)
        return receipt
