"""Customers of the shop: PORT SECONDS [THREADS]. Each signs in; half of them fill a cart and most of these buy."""
import http.client
import json
import random
import sys
import threading
import time
from urllib.parse import urlencode

NOTES = ["gift wrap, please: ", "leave with the neighbour: ", "for the office kitchen: "]
PAUSE = 0.004


def ask(port, method, path, **arguments):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        query = urlencode(arguments)
        if method == "GET":
            connection.request(method, f"{path}?{query}")
        else:
            connection.request(method, path, body=query)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def shop_once(port, name):
    token = ask(port, "POST", "/sessions", customer=name)["token"]
    if random.random() < 0.5:
        return  # only looked at the window
    for kind in random.sample(["teapot", "cup", "kettle", "tin", "spoon"], 2):
        for item in random.sample(ask(port, "GET", "/catalogue", kind=kind), 2):
            note = random.choice(NOTES) + random.choice("abcdefgh") * random.randint(300, 900)
            quantity = random.randint(1, 3)
            ask(port, "POST", "/cart", token=token, sku=item["sku"], quantity=quantity, note=note)
            time.sleep(PAUSE)
    if random.random() < 0.9:
        ask(port, "POST", "/checkout", token=token)


def keep_shopping(port, name, end):
    while time.monotonic() < end:
        try:
            shop_once(port, name)
        except OSError:
            return


def main():
    port, seconds = int(sys.argv[1]), float(sys.argv[2])
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 4
    end = time.monotonic() + seconds
    customers = [
        threading.Thread(target=keep_shopping, args=(port, f"customer-{number}", end)) for number in range(count)
    ]
    for customer in customers:
        customer.start()
    for customer in customers:
        customer.join()


main()
