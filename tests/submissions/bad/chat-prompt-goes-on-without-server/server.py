import asyncio
import os

FILES = os.environ.get("SERVER_SHARED_FILES") or "SharedFiles"
room = {}


def announce(text, skip=None):
    for name, writer in room.items():
        if name != skip:
            writer.write(text.encode() + b"\n")


async def download(name, writer):
    try:
        with open(os.path.join(FILES, os.path.basename(name)), "rb") as f:
            data = f.read()
    except OSError:
        data = None
    writer.write(b"-1\n" if data is None else b"%d\n" % len(data) + data)
    await writer.drain()


async def chat(me, reader, writer):
    writer.write(f"Hi {me}, welcome! You are in the lobby.\n".encode())
    announce(f"{me} comes in", skip=me)
    while line := await reader.readline():
        text = line.decode(errors="replace").strip()
        word, _, rest = text.partition(" ")
        if word == "/bye":
            break
        if word == "/ls":
            names = os.listdir(FILES)
            writer.write(("%d files\n%s\n" % (len(names), "\n".join(names))).encode())
        elif word == "/w":
            to, _, words = rest.partition(" ")
            room.get(to, writer).write(f"{me} whispers to {to}: {words}\n".encode())
        elif text:
            announce(f"{me}> {text}", skip=me)
        await writer.drain()


async def handle(reader, writer):
    print("new connection", writer.get_extra_info("peername"), flush=True)
    name = None
    try:
        kind, _, argument = (await reader.readline()).decode().strip().partition(" ")
        if kind == "GET":
            await download(argument, writer)
        elif kind == "USER":
            name = argument
            room[name] = writer
            await chat(name, reader, writer)
    except ConnectionError as e:
        print(name, "lost", e, flush=True)
    if name and room.pop(name, None):
        announce(f"{name} goes out")
    writer.close()


async def serve(port):
    server = await asyncio.start_server(handle, "0.0.0.0", port)
    async with server:
        await server.serve_forever()


def start(port):
    asyncio.run(serve(port))
