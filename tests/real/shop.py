"""A small shop in Flask, served by gunicorn. SHOP_AUDIT=forget repairs its leak.

Each order leaves an audit record with its blueprint's trail: five objects below anything that has a name."""
import os
import time
import uuid

import flask

orders = flask.Blueprint("orders", __name__, url_prefix="/orders")


class Record:
    def __init__(self, request_id, number, lines):
        self.request_id, self.number, self.lines = request_id, number, lines
        self.time = time.time()


class Trail:
    """What happened to each request, for whoever asks while it is being answered."""

    def __init__(self):
        self.by_request = {}

    def begin(self, request_id, number):
        lines = [{"item": "item %d" % item, "note": "reserved for order %s" % number} for item in range(12)]
        self.by_request[request_id] = Record(request_id, number, lines)

    def end(self, request_id):
        self.by_request.pop(request_id, None)


class Auditor:
    def __init__(self):
        self.trail = Trail()


orders.auditor = Auditor()


@orders.before_request
def open_record():
    flask.g.request_id = uuid.uuid4().hex
    orders.auditor.trail.begin(flask.g.request_id, flask.request.view_args.get("number"))


@orders.after_request
def close_record(response):
    if os.environ.get("SHOP_AUDIT") == "forget":
        orders.auditor.trail.end(flask.g.request_id)
    return response


@orders.get("/<int:number>")
def show(number):
    record = orders.auditor.trail.by_request[flask.g.request_id]
    return {"order": number, "lines": len(record.lines)}


def create():
    application = flask.Flask(__name__)
    application.register_blueprint(orders)

    @application.get("/health")
    def health():
        return {"pid": os.getpid()}

    return application


application = create()
