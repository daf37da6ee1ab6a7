"""Asyncio clients for the tests: client.py PORT echo, or client.py PORT starttls CERT."""

import asyncio
import random
import ssl
import sys

port, what = int(sys.argv[1]), sys.argv[2]


async def echo(seed):
    dice = random.Random(seed)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(100):
        line = dice.randbytes(dice.randrange(2000)).replace(b"\n", b".") + b"\n"
        writer.write(line)
        await writer.drain()
        got = await reader.readline()
        assert got == line, (got, line)
    writer.write_eof()
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def starttls():
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    writer.write(b"STARTTLS\n")
    assert await reader.readline() == b"go ahead\n"
    context = ssl.create_default_context(cafile=sys.argv[3])
    await writer.start_tls(context, server_hostname="localhost")
    for i in range(10):
        writer.write(b"x" * 100_000 + b"%d\n" % i)
        assert await reader.readuntil(b"%d\n" % i) == b"x" * 100_000 + b"%d\n" % i
    writer.close()
    await writer.wait_closed()


async def main():
    if what == "echo":
        await asyncio.gather(*(echo(seed) for seed in range(100)))
    else:
        await starttls()
    print("all is well")


asyncio.run(main())
