# expect: verdict=leak kind=pending-task,growing-container path=
"""Tasks that wait for an event that never comes."""
import asyncio
import os
import sys


async def hold(event, number):
    order = {"number": number, "lines": ["line %d" % line for line in range(10)]}
    await event.wait()
    return order


class Input(asyncio.Protocol):
    def connection_lost(self, error):
        os._exit(0)


async def main():
    closed = asyncio.Event()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(Input, sys.stdin)
    waiting = set()
    for number in range(60000):
        task = asyncio.create_task(hold(closed, number))
        waiting.add(task)
        task.add_done_callback(waiting.discard)
        if number == 50:
            print("ready", os.getpid(), flush=True)
        await asyncio.sleep(0.002)


asyncio.run(main())
