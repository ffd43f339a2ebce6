"""An hour with the servers. Time goes in ages, in which the servers live, and days, in the evening of which all clients leave.

In the day so many clients as were asked for come and go. In the evening nothing may be missing in anybody's books, and the servers
are as they were before the first day: no descriptor more, no memory kept, no time spent. An age ends in the midst of a day, by
SIGTERM or SIGKILL; the next begins on the same ports. In some ages the chat has fewer descriptors than people come.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback

import others
from files import Files
from ledger import Ledger
from people import ROOMS, Healthy
from server import Server, was_in_order
from strangers import STRANGERS, name_of, stalls
from talk import Gone, Talk

PLENTY = 4_096
SMALL_BUFFER = 4_096
MEMORY_KEPT = 4 << 20
IDLE_SECONDS = 1.0
SHARE_OF_HEALTHY, SHARE_OF_OTHER_LABS = 0.6, 0.2
# Where descriptors are short these would be refused their file, in order.
NEED_A_FILE = {"half_closes", "stalls"}


class Soak:
    def __init__(self, options, folder):
        self.options = options
        self.random = random.Random(options.seed)
        self.ledger = Ledger()
        self.files = Files(folder, self.random, self.ledger)
        environment = {"SERVER_SHARED_FILES": folder, "XDG_STATE_HOME": folder + ".state"}
        self.chat = Server(options.netlab, "chat", environment=environment)
        self.labs = {lab: Server(options.netlab, lab) for lab in others.CLIENTS}
        self.names = iter(range(1, 10**9))
        self.ends = time.monotonic() + options.minutes * 60
        self.most = 0
        self.memory = []

    # One age

    async def age(self):
        self.is_short = self.random.random() < 0.25
        descriptors = self.options.clients // 2 if self.is_short else PLENTY
        self.how = None
        await asyncio.gather(self.chat.start(descriptors), *(lab.start(PLENTY) for lab in self.labs.values()))
        self.ledger.counts["ages short of descriptors" if self.is_short else "ages"] += 1
        before = self.books()
        first_evening = None
        for _ in range(self.random.randint(2, 10)):
            await self.day()
            evening = await self.quiet(before)
            first_evening = first_evening or evening
            self.compare_memory(first_evening, evening)
            if time.monotonic() > self.ends:
                break
        await self.last_day()

    def servers(self):
        return {"chat": self.chat, **self.labs}

    def books(self):
        return {lab: (len(server.descriptors()), server.memory()) for lab, server in self.servers().items()}

    async def day(self):
        self.begin_day()
        length = self.random.uniform(0.5, 1.5) * self.options.day
        await self.keep_busy(min(time.monotonic() + length, max(self.ends, time.monotonic() + 5)))
        self.is_evening.set()
        await asyncio.gather(*self.clients)
        self.ledger.counts["evenings"] += 1

    def begin_day(self):
        self.is_evening = asyncio.Event()
        self.present = {room: {} for room in ROOMS}
        self.living, self.silent, self.clients = 0, 0, set()

    async def keep_busy(self, until):
        while time.monotonic() < until:
            while len(self.clients) < self.options.clients:
                task = asyncio.create_task(self.client())
                self.clients.add(task)
                task.add_done_callback(self.clients.discard)
            self.most = max(self.most, len(self.clients))
            await asyncio.sleep(0.02)

    async def last_day(self):
        """The servers end in the midst of it."""
        self.begin_day()
        await self.keep_busy(time.monotonic() + self.random.uniform(2, 8))
        self.how = self.random.choice([signal.SIGTERM, signal.SIGKILL])
        self.ledger.counts[f"ages ended by {self.how.name}"] += 1
        for lab, server in self.servers().items():
            status, said = await server.end(self.how)
            if not was_in_order(status, self.how):
                self.ledger.breach(f"{lab} ended with {status} on {self.how.name}: {said}")
        self.is_evening.set()
        await asyncio.gather(*self.clients)

    # Its clients

    async def client(self):
        share, seed = self.random.random(), self.random.randrange(2**63)
        name = f"u{next(self.names)}"
        own = random.Random(seed)
        if share < SHARE_OF_HEALTHY:
            return await self.healthy(Healthy(self, own, name))
        if share < SHARE_OF_HEALTHY + SHARE_OF_OTHER_LABS:
            lab = own.choice(list(others.CLIENTS))
            return await self.guarded(lab, others.CLIENTS[lab](self, own, self.labs[lab]), must_do_well=True)
        stranger = own.choice([each for each in STRANGERS if not (self.is_short and each.__name__ in NEED_A_FILE)])
        await self.guarded(name_of(stranger), self.strange(stranger, own, name), must_do_well=False)

    async def strange(self, stranger, own, name):
        talk = await Talk.open(self.chat.port, SMALL_BUFFER if stranger is stalls else None)
        try:
            await stranger(self, own, name, talk)
        finally:
            talk.close()

    async def healthy(self, user):
        self.living += 1
        try:
            await user.live()
        except (Gone, OSError, TimeoutError) as gone:
            self.healthy_failed(user, gone)
        finally:
            self.living -= 1

    def healthy_failed(self, user, gone):
        """It may, if the server ended (and said so if it could), or had no descriptor for it."""
        if self.how is None and not (self.is_short and not user.has_come_in):
            at = traceback.extract_tb(gone.__traceback__)
            where = ", ".join(frame.name for frame in at)
            self.ledger.breach(f"{user.name} was thrown out in {where}: {type(gone).__name__} {gone}")
        elif self.how == signal.SIGTERM and user.has_come_in and not user.talk.farewell:
            self.ledger.breach(f"{user.name} was not told that the server was going down: {gone}")
        elif self.how is None:
            self.ledger.counts["healthy users for whom no descriptor was left"] += 1

    async def guarded(self, what, coroutine, must_do_well):
        try:
            await coroutine
        except (Gone, OSError, TimeoutError, asyncio.IncompleteReadError) as gone:
            if must_do_well and self.how is None:
                self.ledger.breach(f"a client of {what}: {type(gone).__name__} {gone}")
        self.ledger.counts[what] += 1

    async def evening_within(self, seconds):
        """Waits so long, or until it is evening; whether it is."""
        try:
            await asyncio.wait_for(self.is_evening.wait(), seconds)
        except TimeoutError:
            pass
        return self.is_evening.is_set()

    async def all_are_silent(self):
        self.silent += 1
        while self.silent < self.living:
            await asyncio.sleep(0.02)

    # What must be so in the evening

    async def quiet(self, before):
        """Waits until the servers hold no more descriptors than before, then looks at memory and time."""
        for lab, server in self.servers().items():
            patience = time.monotonic() + 60
            while len(server.descriptors()) > before[lab][0] and time.monotonic() < patience:
                await asyncio.sleep(0.1)
            if len(kept := server.descriptors()) > before[lab][0]:
                self.ledger.breach(f"{lab} keeps {' '.join(kept)}, and began with {before[lab][0]} descriptors")
        spent = {lab: server.processor_time() for lab, server in self.servers().items()}
        await asyncio.sleep(IDLE_SECONDS)
        for lab, server in self.servers().items():
            if (busy := server.processor_time() - spent[lab]) > IDLE_SECONDS / 10:
                self.ledger.breach(f"{lab} was busy for {busy:.2f} s of {IDLE_SECONDS} s with nobody there")
        return self.books()

    def compare_memory(self, first, now):
        for lab, (_, memory) in now.items():
            if memory > first[lab][1] + MEMORY_KEPT:
                self.ledger.breach(f"{lab} keeps {memory} bytes, after its first day {first[lab][1]}")
        self.memory.append({lab: memory for lab, (_, memory) in now.items()})

    # The whole

    async def watch_itself(self):
        """How long this program was kept from running: what others do on the machine shows here first."""
        self.stalled = 0.0
        while True:
            slept = time.monotonic()
            await asyncio.sleep(0.1)
            self.stalled = max(self.stalled, time.monotonic() - slept - 0.1)

    async def run(self):
        watch = asyncio.create_task(self.watch_itself())
        while True:
            await self.age()
            self.report(sys.stderr)
            if self.ledger.broken or time.monotonic() > self.ends:
                break
        watch.cancel()
        delays = sorted(self.ledger.delays)
        self.p50, self.p99 = (delays[int(len(delays) * share)] * 1000 if delays else 0.0 for share in (0.50, 0.99))
        if self.options.p99 and self.p99 > self.options.p99:
            self.ledger.breach(f"p99 of a line's way was {self.p99:.1f} ms, and the limit is {self.options.p99} ms")

    def report(self, to):
        counts = ", ".join(f"{count:,} {what}" for what, count in self.ledger.counts.most_common(6))
        print(f"{self.options.minutes * 60 - (self.ends - time.monotonic()):.0f} s: {counts}", file=to, flush=True)

    def table(self):
        yield "| what | how many |\n|---|--:|"
        for what, count in sorted(self.ledger.counts.items()):
            yield f"| {what} | {count:,} |"
        yield f"| clients at once, at most | {self.most:,} |"
        yield f"| a line's way from user to user, p50 / p99, ms | {self.p50:.1f} / {self.p99:.1f} |"
        yield f"| longest that the soak itself was kept from running, s | {self.stalled:.1f} |"
        chat = [memory["chat"] / 2**20 for memory in self.memory]
        yield f"| chat server's memory of an evening, least / most, MiB | {min(chat):.1f} / {max(chat):.1f} |"
        yield f"| broken invariants | {len(self.ledger.broken)} |"


def main():
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__.splitlines()[0])
    parser.add_argument("--netlab", required=True, help="the binary")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--clients", type=int, default=200, help="at once, in the day")
    parser.add_argument("--day", type=float, default=40, help="seconds of a day")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    parser.add_argument("--p99", type=float, default=0, help="no more milliseconds from user to user; 0 for no limit")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="netlab-soak-") as folder:
        shared = os.path.join(folder, "shared")
        os.mkdir(shared)
        soak = Soak(options, shared)
        try:
            asyncio.run(soak.run())
        finally:
            for server in soak.servers().values():
                if server.is_running():
                    server.process.kill()
    print("\n".join(soak.table()))
    return 1 if soak.ledger.broken else 0


if __name__ == "__main__":
    sys.exit(main())
