"""Prints the callbacks of protocols, scenario by scenario: the output of CPython 3.13 is protocol_traces.txt."""

import asyncio
import contextlib
import socket
import struct


class Recorder(asyncio.Protocol):
    def __init__(self):
        self.trace = []
        self.keep_open = False
        self.size = 4  # of the memory to receive into
        self.on = {}  # what to do in a callback
        self.lost = False
        self.received = b""

    def add(self, what):
        self.trace.append(what)
        if act := self.on.get(what.split()[0]):
            act()

    def connection_made(self, transport):
        self.transport = transport
        self.loop = asyncio.get_running_loop()
        self.loop.call_soon(self.trace.append, "after made")
        self.add("made")

    def data_received(self, data):
        self.received += data
        self.loop.call_soon(self.trace.append, "after data")
        self.add("data " + data.decode())

    def eof_received(self):
        self.loop.call_soon(self.trace.append, "after eof")
        self.add("eof")
        return self.keep_open

    def connection_lost(self, exc):
        self.lost = True
        self.add("lost " + (type(exc).__name__ if exc else "None"))

    def pause_writing(self):
        self.add("pause")

    def resume_writing(self):
        self.add("resume")


class Buffered(Recorder, asyncio.BufferedProtocol):
    def get_buffer(self, sizehint):
        self.buffer = bytearray(self.size)
        self.add("get_buffer")
        return self.buffer

    def buffer_updated(self, n):
        self.add("updated " + self.buffer[:n].decode())


def fail():
    raise ZeroDivisionError


def once(act):
    acts = iter([act])
    return lambda: next(acts, lambda: None)()


async def until(condition):
    while not condition():
        await asyncio.sleep(0.001)


def read_all(peer):
    data = b""
    while p := peer.recv(1 << 20):
        data += p
    return data


async def order(r, peer):
    peer.sendall(b"a")
    await until(lambda: "after data" in r.trace)
    peer.close()
    await until(lambda: r.lost)


async def data_and_end_at_once(r, peer):
    peer.sendall(b"a")
    peer.shutdown(socket.SHUT_WR)
    await until(lambda: r.lost)


async def close(r, peer):
    r.transport.write(b"hello")
    r.transport.close()
    r.trace.append(f"closing {r.transport.is_closing()}")
    r.transport.close()
    await until(lambda: r.lost)
    r.trace.append(f"peer {read_all(peer).decode()}")


async def close_with_much_to_send(r, peer):
    r.transport.write(bytes(20_000_000))
    r.transport.close()
    await asyncio.sleep(0.01)
    r.trace.append(f"peer {len(await asyncio.to_thread(read_all, peer))}")
    await until(lambda: r.lost)


async def abort_with_much_to_send(r, peer):
    r.transport.write(bytes(20_000_000))
    r.transport.abort()
    r.transport.abort()
    await until(lambda: r.lost)


async def abort_after_close(r, peer):
    r.transport.write(bytes(20_000_000))
    r.transport.close()
    await asyncio.sleep(0.01)
    r.transport.abort()
    await until(lambda: r.lost)


async def half_close(r, peer):
    r.keep_open = True
    peer.sendall(b"a")
    peer.shutdown(socket.SHUT_WR)
    await until(lambda: "after eof" in r.trace)
    r.transport.write(b"answer")
    r.trace.append(f"reading {r.transport.is_reading()}")
    r.transport.write_eof()
    r.trace.append(f"peer {read_all(peer).decode()}")
    r.transport.close()
    await until(lambda: r.lost)


async def pause_and_resume(r, peer):
    r.transport.set_write_buffer_limits(high=0)
    r.transport.write(b"a")
    r.trace.append("written")
    r.transport.write(bytes(20_000_000))
    r.trace.append("written much")
    reading = asyncio.create_task(asyncio.to_thread(read_all, peer))
    await until(lambda: "resume" in r.trace)
    r.trace.append(f"left {r.transport.get_write_buffer_size()}")
    r.transport.close()
    await reading
    await until(lambda: r.lost)


async def pause_reading(r, peer):
    r.transport.pause_reading()
    peer.sendall(b"a")
    await asyncio.sleep(0.02)
    r.trace.append(f"reading {r.transport.is_reading()}")
    r.transport.resume_reading()
    await until(lambda: "after data" in r.trace)
    r.transport.close()
    await until(lambda: r.lost)


async def pause_reading_when_data_came(r, peer):
    r.on["data"] = lambda: r.transport.pause_reading()
    peer.sendall(b"a")
    await until(lambda: r.received == b"a")
    peer.close()
    await asyncio.sleep(0.02)
    r.trace.append("resume")
    r.transport.resume_reading()
    await until(lambda: r.lost)


async def close_when_data_came(r, peer):
    r.on["data"] = lambda: r.transport.close()
    peer.sendall(b"a")
    await until(lambda: r.lost)


async def reset(r, peer):
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    await until(lambda: r.lost)


async def reset_while_paused(r, peer):
    r.transport.pause_reading()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    await asyncio.sleep(0.02)
    r.trace.append(f"closing {r.transport.is_closing()}")
    r.transport.resume_reading()
    await until(lambda: r.lost)


async def reset_while_paused_with_much_to_send(r, peer):
    r.transport.pause_reading()
    r.transport.write(bytes(20_000_000))
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    await until(lambda: r.lost)


async def reset_after_half_close(r, peer):
    r.keep_open = True
    peer.shutdown(socket.SHUT_WR)
    await until(lambda: "after eof" in r.trace)
    r.transport.write(b"x")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    await asyncio.sleep(0.02)
    r.transport.write(b"x")
    await until(lambda: r.lost)


async def fail_in_data(r, peer):
    r.on["data"] = fail
    peer.sendall(b"a")
    await until(lambda: r.lost)


async def fail_in_eof(r, peer):
    r.on["eof"] = fail
    peer.shutdown(socket.SHUT_WR)
    await until(lambda: r.lost)


async def fail_in_lost(r, peer):
    r.on["lost"] = fail
    peer.shutdown(socket.SHUT_WR)
    await until(lambda: r.lost)


async def fail_in_pause(r, peer):
    r.on["pause"] = fail
    r.transport.write(bytes(20_000_000))
    r.trace.append("written")
    r.transport.abort()
    await until(lambda: r.lost)


async def set_protocol(r, peer):
    other = Recorder()
    other.loop, other.transport, other.trace = r.loop, r.transport, r.trace
    r.on["data"] = lambda: r.transport.set_protocol(other)
    peer.sendall(b"a")
    await until(lambda: r.received == b"a")
    peer.sendall(b"b")
    await until(lambda: other.received == b"b")
    r.trace.append(f"changed {r.transport.get_protocol() is other}")
    peer.close()
    await until(lambda: other.lost)


async def buffered(r, peer):
    peer.sendall(b"abcdef")
    await until(lambda: "updated ef" in r.trace)
    peer.close()
    await until(lambda: r.lost)


async def abort_in_made(r, peer):
    await until(lambda: r.lost)


async def write_and_close_in_made(r, peer):
    await until(lambda: r.lost)
    r.trace.append(f"peer {read_all(peer).decode()}")


async def pause_and_resume_in_made(r, peer):
    peer.sendall(b"a")
    await until(lambda: "after data" in r.trace)
    peer.close()
    await until(lambda: r.lost)


async def abort_in_data(r, peer):
    r.on["data"] = lambda: r.transport.abort()
    peer.sendall(b"a")
    await until(lambda: r.lost)


async def abort_in_eof(r, peer):
    r.on["eof"] = lambda: r.transport.abort()
    peer.close()
    await until(lambda: r.lost)


async def close_in_eof_that_keeps_open(r, peer):
    r.keep_open = True
    r.on["eof"] = lambda: r.transport.close()
    peer.close()
    await until(lambda: r.lost)


async def write_in_pause(r, peer):
    r.on["pause"] = lambda: r.transport.write(b"x")
    r.transport.write(bytes(20_000_000))
    r.transport.close()
    r.trace.append(f"peer {len(await asyncio.to_thread(read_all, peer))}")
    await until(lambda: r.lost)


async def abort_in_pause(r, peer):
    r.on["pause"] = lambda: r.transport.abort()
    r.transport.write(bytes(20_000_000))
    r.trace.append("written")
    await until(lambda: r.lost)


async def write_much_in_resume(r, peer):
    r.on["resume"] = once(lambda: r.transport.write(bytes(20_000_000)))
    r.transport.write(bytes(20_000_000))
    reading = asyncio.create_task(asyncio.to_thread(read_all, peer))
    await until(lambda: r.trace.count("resume") == 2)
    r.transport.close()
    r.trace.append(f"peer {len(await reading)}")
    await until(lambda: r.lost)


async def fail_in_resume(r, peer):
    r.on["resume"] = fail
    r.transport.write(bytes(20_000_000))
    reading = asyncio.create_task(asyncio.to_thread(read_all, peer))
    await until(lambda: "resume" in r.trace)
    r.transport.close()
    r.trace.append(f"peer {len(await reading)}")
    await until(lambda: r.lost)


async def write_eof_with_much_to_send(r, peer):
    r.transport.write(bytes(20_000_000))
    r.transport.write_eof()
    r.transport.write_eof()
    r.trace.append(f"closing {r.transport.is_closing()}")
    r.trace.append(f"peer {len(await asyncio.to_thread(read_all, peer))}")
    peer.close()
    await until(lambda: r.lost)


async def write_eof_and_close_with_much_to_send(r, peer):
    r.transport.write(bytes(20_000_000))
    r.transport.write_eof()
    r.transport.close()
    r.trace.append(f"peer {len(await asyncio.to_thread(read_all, peer))}")
    await until(lambda: r.lost)


async def empty_writes(r, peer):
    r.transport.write(b"")
    r.transport.writelines([])
    r.transport.writelines([b"", b"a", b"", b"b"])
    r.transport.close()
    r.transport.write(b"")
    r.transport.pause_reading()
    r.transport.resume_reading()
    r.trace.append(f"reading {r.transport.is_reading()}")
    await until(lambda: r.lost)
    r.trace.append(f"peer {read_all(peer).decode()}")


async def close_while_paused(r, peer):
    r.transport.pause_reading()
    peer.sendall(b"a")
    peer.close()
    r.transport.close()
    r.transport.resume_reading()
    await until(lambda: r.lost)


async def write_after_reset(r, peer):
    r.transport.pause_reading()
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    r.transport.write(b"x")
    r.loop.call_soon(r.trace.append, "after write")
    r.trace.append(f"closing {r.transport.is_closing()}")
    await until(lambda: r.lost)


async def fail_in_get_buffer(r, peer):
    r.on["get_buffer"] = fail
    peer.sendall(b"a")
    await until(lambda: r.lost)


async def empty_buffer(r, peer):
    r.size = 0
    peer.sendall(b"a")
    await until(lambda: r.lost)


async def fail_in_updated(r, peer):
    r.on["updated"] = fail
    peer.sendall(b"abcdef")
    await until(lambda: r.lost)


async def close_in_updated(r, peer):
    r.on["updated"] = lambda: r.transport.close()
    peer.sendall(b"abcdef")
    await until(lambda: r.lost)


async def pause_in_updated(r, peer):
    r.on["updated"] = lambda: r.transport.pause_reading()
    peer.sendall(b"abcdef")
    await until(lambda: "updated abcd" in r.trace)
    r.trace.append("resume")
    r.transport.resume_reading()
    await until(lambda: "updated ef" in r.trace)
    r.transport.abort()
    await until(lambda: r.lost)


IN_MADE = {
    abort_in_made: lambda transport: transport.abort(),
    write_and_close_in_made: lambda transport: (transport.write(b"hello"), transport.close()),
    pause_and_resume_in_made: lambda transport: (transport.pause_reading(), transport.pause_reading(), transport.resume_reading()),
}

BUFFERED = (buffered, fail_in_get_buffer, empty_buffer, fail_in_updated, close_in_updated, pause_in_updated)


async def main():
    loop = asyncio.get_running_loop()
    for scenario in (
        order, data_and_end_at_once, close, close_with_much_to_send, abort_with_much_to_send, abort_after_close, half_close,
        pause_and_resume, pause_reading, pause_reading_when_data_came, close_when_data_came, reset, reset_while_paused, reset_while_paused_with_much_to_send, reset_after_half_close,
        fail_in_data, fail_in_eof, fail_in_lost, fail_in_pause, set_protocol,
        *IN_MADE, abort_in_data, abort_in_eof, close_in_eof_that_keeps_open, write_in_pause, abort_in_pause, write_much_in_resume, fail_in_resume,
        write_eof_with_much_to_send, write_eof_and_close_with_much_to_send, empty_writes, close_while_paused, write_after_reset,
        *BUFFERED,
    ):
        listener = socket.create_server(("127.0.0.1", 0))
        r = Buffered() if scenario in BUFFERED else Recorder()
        if scenario in IN_MADE:
            r.on["made"] = lambda: IN_MADE[scenario](r.transport)
        await loop.create_connection(lambda: r, *listener.getsockname())
        r.trace.append("returned")
        loop.set_exception_handler(lambda _, context: r.trace.append("report " + type(context["exception"]).__name__))
        peer, _ = listener.accept()
        await scenario(r, peer)
        await asyncio.sleep(0.01)
        peer.close()
        listener.close()
        print(f"{scenario.__name__}: {', '.join(r.trace)}")


asyncio.run(main())
