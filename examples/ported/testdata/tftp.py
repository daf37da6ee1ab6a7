"""The server of ../tftp/main.go on top of py3tftp: python3.13 tftp.py ACK_TIMEOUT CONN_TIMEOUT"""

import asyncio
import logging
import sys

from py3tftp.protocols import TFTPServerProtocol


async def main():
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda loop, context: print("[EXCEPTION]", context["exception"]))
    timeouts = {b"timeout": float(sys.argv[1]), b"conn_timeout": float(sys.argv[2])}
    transport, _ = await loop.create_datagram_endpoint(
        lambda: TFTPServerProtocol("127.0.0.1", loop, timeouts), local_addr=("127.0.0.1", 0)
    )
    print("listening on %s:%d" % transport.get_extra_info("sockname"))
    await asyncio.Event().wait()


logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="[%(levelname)s] %(message)s")
asyncio.run(main())
