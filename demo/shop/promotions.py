"""Price rules: what a cart saves, and why."""
from dataclasses import dataclass, field


@dataclass
class Evaluation:
    """What the rules said about one cart."""

    cart: object
    savings: dict = field(default_factory=dict)

    @property
    def cents(self):
        return sum(self.savings.values())


def two_of_a_kind(cart):
    return sum(line.item.cents // 2 for line in cart.lines if line.quantity >= 2)


def big_order(cart):
    return cart.cents // 20 if cart.cents > 10_000 else 0


def tea_for_two(cart):
    kinds = {line.item.kind for line in cart.lines}
    return 500 if {"teapot", "cup"} <= kinds else 0


class RuleEngine:
    def __init__(self, rules):
        self.rules = rules
        self.history = []

    def evaluate(self, cart):
        evaluation = Evaluation(cart)
        for rule in self.rules:
            cents = rule(cart)
            if cents:
                evaluation.savings[rule.__name__] = cents
        self.history.append(evaluation)
        return evaluation


class Promotions:
    def __init__(self):
        self.engine = RuleEngine([two_of_a_kind, big_order, tea_for_two])

    def savings(self, cart):
        return self.engine.evaluate(cart).cents
