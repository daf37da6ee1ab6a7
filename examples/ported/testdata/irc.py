"""The bot of ../irc/main.go on top of bottom: python3.13 irc.py HOST PORT"""

import asyncio
import sys

from bottom.client import wait_for
from bottom.core import BaseClient

client = BaseClient(sys.argv[1], int(sys.argv[2]), ssl=False)
finished = []


async def show(next_handler, client, message):
    text = message.decode()
    print("<", text)
    if text and not text.startswith("SECRET"):
        await next_handler(client, message)


async def parse(next_handler, client, message):
    text, nick = message.decode(), ""
    if text.startswith(":"):
        prefix, text = text[1:].split(" ", 1)
        nick = prefix.split("!")[0]
    head, _, trailing = text.partition(" :")
    command, *params = head.split()
    client.trigger(command, nick=nick, params=params + [trailing] if trailing else params)
    await next_handler(client, message)


@client.on("ping")
async def pong(params, **kwargs):
    await client.send_message(f"PONG :{params[-1]}")


@client.on("client_connect")
async def login(**kwargs):
    await client.send_message("NICK bot")
    await client.send_message("USER bot 0 * :a bot")
    events = await wait_for(client, ["376", "422"], mode="first")
    print("motd:", *[event["__event__"] for event in events])
    await client.send_message("JOIN #go")
    events = await wait_for(client, ["join", "353", "366"], mode="all")
    print("joined:", *sorted(event["__event__"] for event in events))


@client.on("privmsg")
async def command(nick, params, **kwargs):
    target, text = params
    if text.startswith("!echo "):
        await client.send_message(f"PRIVMSG {target} :{text[6:]}")
    elif text == "!race":
        finished.clear()
        results = await client.trigger("race", nick=nick, params=[])
        results = [f"error {r}" if isinstance(r, Exception) else r for r in results]
        await client.send_message(f"PRIVMSG {target} :{', '.join(results)}; in order: {', '.join(finished)}")
    elif text == "!quit":
        await client.disconnect()
        print("quit:", client.is_closing())


@client.on(" Race ")
async def slow(nick, **kwargs):
    for _ in range(3):
        await asyncio.sleep(0)
    finished.append("slow")
    return f"slow for {nick}"


@client.on("RACE")
def quick(nick, **kwargs):
    finished.append("quick")
    return f"quick for {nick}"


@client.on("race")
async def broken(**kwargs):
    await asyncio.sleep(0)
    finished.append("broken")
    raise ValueError("out of the race")


async def main():
    client.message_handlers += [show, parse]
    try:
        await client.send_message("HELLO")
    except RuntimeError as e:
        print("error:", e)
    for session in 1, 2:
        await client.connect()
        await client.connect()  # does nothing
        events = await wait_for(client, ["client_connect"], mode="all")
        print(f"session {session}:", *[event["__event__"] for event in events])
        event = await client.wait("client_disconnect")
        print(f"session {session}: {event['__event__']}")
    await asyncio.gather(client.connect(), client.connect())
    print("connected twice:", client.is_closing())
    await client.wait("client_disconnect")


asyncio.run(main())
