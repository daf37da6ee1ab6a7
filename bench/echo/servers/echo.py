"""An echo server on asyncio's streams or an asyncio Protocol: echo.py asyncio|uvloop streams|protocol.

It listens on a free port of the loopback interface and prints the port.
"""

import asyncio
import sys

BUFFER_SIZE = 4096


async def echo(reader, writer):
    while data := await reader.read(BUFFER_SIZE):
        writer.write(data)
        await writer.drain()
    writer.close()


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)


async def main(interface):
    if interface == "streams":
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
    else:
        server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


loop, interface = sys.argv[1:]
if loop == "uvloop":
    import uvloop

    uvloop.install()
asyncio.run(main(interface))
