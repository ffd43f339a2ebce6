"""The healthy users of the chat, who keep the books."""

import asyncio

from ledger import Reader
from talk import Gone, Talk

ROOMS = [f"room{number}" for number in range(10)]
OTHER_LINES = ["/who", "/rooms", "/files", "/help", "/me waves", "/msg nobody hello", ""]


class Healthy:
    """Comes in, talks in a room, reads all, sometimes changes the room or downloads a file; leaves as users do."""

    def __init__(self, soak, random, name):
        self.soak, self.random, self.name = soak, random, name
        self.ledger = soak.ledger
        self.private = {}  # stay written to -> last number
        self.has_come_in, self.room = False, None

    async def live(self):
        self.talk = await Talk.open(self.soak.chat.port)
        try:
            await self.talk.come_in(self.name)
            self.has_come_in = True
            self.ledger.counts["healthy users"] += 1
            while await self.stay():
                pass
        finally:
            self.talk.close()

    async def stay(self):
        """One time in one room; whether there is to be another."""
        room = self.room = self.random.choice([room for room in ROOMS if room != self.room])
        stay = self.ledger.enter(room)
        self.ledger.over.add(stay)  # its end may be lost until it has come in order
        self.talk.say(f"/join {room}")
        await self.talk.until(lambda line: line == f"* {self.name} is now in {room}")
        reader = Reader(self.ledger, stay)
        self.talk.heard = lambda line: reader.line(line.partition("> ")[2])
        here = self.soak.present[room]
        here[stay] = self.name
        try:
            await self.speak(stay, room)
        finally:
            del here[stay]
        await self.server_took_all()
        self.ledger.over.discard(stay)
        if not self.soak.is_evening.is_set() and self.random.random() < 0.5:
            self.talk.heard = lambda line: None
            return True
        await self.leave(reader)
        return False

    async def speak(self, stay, room):
        for _ in range(self.random.randint(5, 40)):
            if await self.soak.evening_within(self.random.uniform(0.2, 2.5)):
                return
            self.talk.say(self.something(stay, room))
            await self.talk.flush()
            self.check_downloads()

    def something(self, stay, room):
        what = self.random.random()
        if what < 0.75:
            return self.ledger.to_room(stay)
        others = [other for other in self.soak.present[room] if other != stay]
        if what < 0.93 and others:
            other = self.random.choice(others)
            number = self.private[other] = self.private.get(other, 0) + 1
            return f"/msg {self.soak.present[room][other]} {self.ledger.to_one(stay, other, number)}"
        if what < 0.97 and not self.talk.transfers:
            return f"/get {self.random.choice(self.soak.files.names)}"
        return self.random.choice(OTHER_LINES)

    async def server_took_all(self):
        """An answer comes after all that was said before it was asked for."""
        token = f"nobody{self.random.randrange(10**9)}"
        self.talk.say(f"/msg {token} x")
        await self.talk.until(lambda line: line.startswith("!") and token in line)

    async def leave(self, reader):
        """In the evening only when all are silent, and then nothing may be missing."""
        if self.soak.is_evening.is_set():
            await self.soak.all_are_silent()
            await self.server_took_all()
            reader.settle()
            self.ledger.counts["books settled"] += 1
        await self.talk.transfers_over()
        self.check_downloads()
        self.talk.say("/quit")
        await self.talk.until(lambda line: line == "* goodbye")

    def check_downloads(self):
        while self.talk.ended:
            self.soak.files.check(self.talk.ended.pop())
