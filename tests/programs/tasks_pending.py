# expect: verdict=leak kind=pending-task,growing-container path=
"""Tasks that wait for an event that never comes."""
import asyncio
import os
import sys


async def hold(event, number):
    order = {"number": number, "lines": ["line %d" % line for line in range(10)]}
    await event.wait()
    return order


async def main():
    closed = asyncio.Event()
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    loop.connect_read_pipe(asyncio.Protocol, sys.stdin)
    waiting = set()
    for number in range(60000):
        task = asyncio.create_task(hold(closed, number))
        waiting.add(task)
        task.add_done_callback(waiting.discard)
        if number == 50:
            print("ready", os.getpid(), flush=True)
        await asyncio.sleep(0.002)
    await ended


asyncio.run(main())
