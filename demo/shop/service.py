"""The shop as a WSGI application."""
import json
from urllib.parse import parse_qs

from shop.catalogue import Catalogue
from shop.checkout import Checkout
from shop.sessions import Sessions


class Shop:
    def __init__(self):
        self.catalogue = Catalogue()
        self.sessions = Sessions()
        self.checkout = Checkout()
        self.routes = {
            ("GET", "/catalogue"): self.show_catalogue,
            ("POST", "/sessions"): self.sign_in,
            ("POST", "/cart"): self.add_to_cart,
            ("POST", "/checkout"): self.check_out,
        }

    def __call__(self, environ, start_response):
        route = self.routes.get((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        try:
            status, body = route(self.arguments(environ)) if route else ("404 Not Found", b"")
        except (KeyError, ValueError) as problem:
            status, body = "400 Bad Request", repr(problem).encode()
        start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    @staticmethod
    def arguments(environ):
        if environ["REQUEST_METHOD"] == "POST":
            text = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode()
        else:
            text = environ["QUERY_STRING"]
        return {name: values[0] for name, values in parse_qs(text).items()}

    def show_catalogue(self, arguments):
        return "200 OK", self.catalogue.page(arguments["kind"])

    def sign_in(self, arguments):
        session = self.sessions.open(arguments["customer"])
        return "201 Created", json.dumps({"token": session.token}).encode()

    def add_to_cart(self, arguments):
        session = self.session(arguments)
        item = self.catalogue.find(arguments["sku"])
        session.cart.add(item, int(arguments.get("quantity", 1)), arguments.get("note", ""))
        return "200 OK", json.dumps({"cents": session.cart.cents}).encode()

    def check_out(self, arguments):
        receipt = self.checkout.buy(self.session(arguments))
        self.sessions.close(arguments["token"])
        return "200 OK", json.dumps(receipt).encode()

    def session(self, arguments):
        session = self.sessions.find(arguments["token"])
        if session is None:
            raise KeyError("no such session")
        return session


application = Shop()
