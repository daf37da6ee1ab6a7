"""An asyncio server for the tests. It prints its port. The first line of a client selects the
service: echoed lines, frames with a length, an upgrade to TLS, or a reset."""

import asyncio
import socket
import ssl
import struct
import sys


async def handle(reader, writer):
    what = (await reader.readline()).strip()
    if what == b"lines":
        async for line in reader:
            writer.write(line)
            await writer.drain()
    elif what == b"frames":
        while True:
            try:
                head = await reader.readexactly(4)
            except asyncio.IncompleteReadError:
                break
            (size,) = struct.unpack(">I", head)
            writer.write(head + (await reader.readexactly(size))[::-1])
            await writer.drain()
    elif what == b"tls":
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(sys.argv[1], sys.argv[2])
        writer.write(b"go ahead\n")
        await writer.start_tls(context)
        writer.write(b"secret " + await reader.readline())
        await writer.drain()
    elif what == b"reset":
        writer.write(b"some\n")
        await reader.readline()
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        return
    writer.close()


async def main():
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
