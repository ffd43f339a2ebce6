"""The other labs' clients: each right answer is known byte for byte."""

import asyncio
import socket
import struct

PATIENCE = 180


def connected(client):
    """Gives the client its connection, and takes it from him however he ends."""

    async def live(soak, random, server):
        opening = asyncio.open_connection("127.0.0.1", server.port)
        reader, writer = await asyncio.wait_for(opening, PATIENCE)
        try:
            await client(soak, random, reader, writer)
        finally:
            writer.close()

    return live


def reset(writer):
    made = writer.get_extra_info("socket")
    made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@connected
async def tcp_echo(soak, random, reader, writer):
    """Any bytes in any pieces come back; with FIN after them, or cut off in the midst."""
    sent = random.randbytes(random.choice([0, 1, 500, 70_000, 400_000]))
    leaves_early = random.random() < 0.2

    async def send():
        at = 0
        while at < len(sent):
            upto = at + random.randint(1, 30_000)
            writer.write(sent[at:upto])
            await writer.drain()
            at = upto
            if random.random() < 0.1:
                await asyncio.sleep(random.uniform(0, 0.3))
        writer.write_eof()

    sending = asyncio.create_task(send())
    if leaves_early:
        await soak.evening_within(random.uniform(0, 0.3))
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        return reset(writer)
    if random.random() < 0.2:
        await soak.evening_within(random.uniform(0, 3))  # reads late
    got = await asyncio.wait_for(reader.read(-1), PATIENCE)
    await sending
    if got != sent:
        soak.ledger.breach(f"tcp-echo: of {len(sent)} bytes {len(got)} came back, or others")
    soak.ledger.counts["bytes echoed by tcp"] += len(got)


async def talk_in_lines(soak, random, reader, writer, expected):
    """Lines, each answered by itself."""
    for number in range(random.randint(1, 30)):
        text = f"line {number} of {random.randrange(10**9)} é"
        writer.write(text.encode() + b"\n")
        answer = (await asyncio.wait_for(reader.readline(), PATIENCE)).decode()
        if not answer:
            raise ConnectionResetError("no answer")
        expected(text, answer)
        soak.ledger.counts["lines answered"] += 1
        if await soak.evening_within(random.uniform(0, 1)):
            break
    if random.random() < 0.3:
        reset(writer)


@connected
async def capitalize_server(soak, random, reader, writer):
    def expected(text, answer):
        if answer != text.upper() + "\n":
            soak.ledger.breach(f"capitalize-server: {text!r} became {answer!r}")

    await talk_in_lines(soak, random, reader, writer, expected)


@connected
async def mt_server(soak, random, reader, writer):
    mine = []

    def expected(text, answer):
        who, _, said = answer.partition(": ")
        mine.append(who)
        if said != text + "\n" or len(set(mine)) != 1:
            soak.ledger.breach(f"mt-server: {text!r} was answered {answer!r}, after {mine[0]}")

    await talk_in_lines(soak, random, reader, writer, expected)


async def udp_echo(soak, random, server):
    """Each datagram once, or (loopback too may lose) never; never another."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.setblocking(False)
        made.connect(("127.0.0.1", server.port))
        for _ in range(random.randint(1, 50)):
            sent = random.randbytes(random.choice([0, 1, 100, 1_472, 60_000]))
            await loop.sock_sendall(made, sent) if sent else made.send(b"")
            try:
                got = await asyncio.wait_for(loop.sock_recv(made, 65_536), 5)
            except TimeoutError:
                soak.ledger.counts["datagrams lost"] += 1
                return
            if got != sent:
                soak.ledger.breach(f"udp-echo: {len(sent)} bytes sent, {len(got)} others came")
            soak.ledger.counts["datagrams echoed"] += 1
            if await soak.evening_within(random.uniform(0, 0.5)):
                return


@connected
async def tcp_info(soak, random, reader, writer):
    said = (await asyncio.wait_for(reader.read(-1), PATIENCE)).decode()
    host, port = writer.get_extra_info("sockname")
    if said and said != f"you are {host} port {port} (tcp)\n":
        soak.ledger.breach(f"tcp-info: to port {port} it said {said!r}")



CLIENTS = {
    "tcp-echo": tcp_echo, "capitalize-server": capitalize_server, "mt-server": mt_server,
    "udp-echo": udp_echo, "tcp-info": tcp_info,
}
