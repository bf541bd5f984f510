"""An aiohttp service with one middleware. Prints "ready PID PORT"; ends when standard input does."""
import asyncio
import os
import sys

from aiohttp import web


@web.middleware
async def timing(request, handler):
    try:
        return await handler(request)
    except web.HTTPException as error:
        error.headers["X-Handled-By"] = "timing"
        raise


async def item(request):
    return web.json_response({"item": request.match_info["number"]})


async def main():
    application = web.Application(middlewares=[timing])
    application.router.add_get("/items/{number}", item)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    ended = asyncio.Event()

    class Input(asyncio.Protocol):
        def connection_lost(self, error):
            ended.set()

    await asyncio.get_running_loop().connect_read_pipe(Input, sys.stdin)
    print("ready", os.getpid(), runner.addresses[0][1], flush=True)
    await ended.wait()


asyncio.run(main())
