"""Those whom the chat must survive. Each is one coroutine: what it does to the server, and what must not happen to it."""

import asyncio

FLOOD = 1_000


async def silent(soak, random, name, talk):
    """Connects, says nothing, and is off some time."""
    await soak.evening_within(random.uniform(1, 20))


async def vanishes(soak, random, name, talk):
    """Is cut off, in a line or a download."""
    await talk.come_in(name)
    talk.say(random.choice([f"/get {random.choice(soak.files.names)}", "half a", "/who"]))
    talk.writer.write(b"and no end of line")
    await soak.evening_within(random.uniform(0, 1))
    talk.reset()


async def half_closes(soak, random, name, talk):
    """Says its last, shuts its sending side, and still gets all answers."""
    await talk.come_in(name)
    talk.say("/files")
    talk.say(f"/get {random.choice(soak.files.names)}")
    talk.half_close()
    ended = await talk.end()
    if ended == "end of stream" and not talk.farewell and len(talk.ended) != 1:
        soak.ledger.breach(f"{name} half-closed after /get, and the download never ended")
    for transfer in talk.ended:
        soak.files.check(transfer)


async def stalls(soak, random, name, talk):
    """Stops reading in a download, and either goes on or never does."""
    await talk.come_in(name)
    talk.say(f"/join room{random.randrange(10)}")
    talk.say(f"/get {soak.files.largest}")
    await talk.transfer_begins()
    talk.may_read.clear()
    await soak.evening_within(random.uniform(1, 15))
    if random.random() < 0.5:
        return talk.reset()
    talk.may_read.set()
    await talk.transfers_over()
    for transfer in talk.ended:
        soak.files.check(transfer)


async def floods(soak, random, name, talk):
    """Says more in a second than others in an hour."""
    await talk.come_in(name)
    talk.writer.write(b"".join(b"flood %d\n" % number for number in range(FLOOD)))
    await talk.flush()
    await soak.evening_within(random.uniform(0, 2))
    if random.random() < 0.5:
        talk.reset()


async def garbage(soak, random, name, talk):
    """Bytes that are no chat: random ones, a browser, a TLS client, a line without an end."""
    talk.writer.write(random.choice([
        random.randbytes(random.randint(1, 20_000)),
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        bytes.fromhex("1603010200010001fc0303") + random.randbytes(500),
        b"x" * 200_000,
        b"\n" * 1_000,
        "/name \u202eadmin\n/name server\n/name ../x\n\x1b]0;title\x07\n".encode(),
    ]))
    await talk.flush()
    await soak.evening_within(random.uniform(0, 1))
    if random.random() < 0.5:
        talk.reset()


async def byte_by_byte(soak, random, name, talk):
    """A line in pieces is a line."""
    for byte in f"/name {name}\n".encode():
        talk.writer.write(bytes([byte]))
        await talk.flush()
        await asyncio.sleep(random.uniform(0, 0.03))
    await talk.until(lambda line: line == f"* {name} has joined")
    talk.say("/quit")
    await talk.until(lambda line: line == "* goodbye")


async def takes_a_name(soak, random, name, talk):
    """Wants to be somebody who is there; is refused."""
    here = [other for room in soak.present.values() for other in room.values()]
    if not here:
        return
    taken = random.choice(here)
    talk.say(f"/name {taken.upper()}")
    answer = await talk.until(lambda line: line.startswith("!") or line.endswith("has joined") and taken.upper() in line)
    still_here = any(taken in room.values() for room in soak.present.values())
    if not answer.startswith("!") and still_here:
        soak.ledger.breach(f"a second {taken} came in: {answer}")


STRANGERS = [silent, vanishes, half_closes, stalls, floods, garbage, byte_by_byte, takes_a_name]


def name_of(stranger):
    return stranger.__name__.replace("_", " ")

