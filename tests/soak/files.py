"""What the shared folder holds, and whether a download was it."""

import hashlib
import os

SIZES = {"empty": 0, "one": 1, "page.txt": 4_000, "song.ogg": 700_001, "film.avi": 9_000_000}


class Files:
    """An empty file, small ones, and one that takes a while."""

    def __init__(self, folder, random, ledger):
        self.names, self.largest, self.ledger = list(SIZES), max(SIZES, key=SIZES.get), ledger
        self.hashes = {}
        for name, size in SIZES.items():
            content = random.randbytes(size)
            self.hashes[name] = hashlib.sha256(content).hexdigest()
            with open(os.path.join(folder, name), "wb") as file:
                file.write(content)

    def check(self, transfer):
        """A transfer that ended well brought the file, byte for byte; one that failed says so."""
        if not transfer.whole:
            self.ledger.counts["downloads the server gave up"] += 1
            return
        self.ledger.counts["downloads"] += 1
        self.ledger.counts["bytes downloaded"] += transfer.got
        claimed, came, right = transfer.outcome.lower(), transfer.hash.hexdigest(), self.hashes[transfer.name]
        if not claimed == came == right or transfer.got != SIZES[transfer.name]:
            self.ledger.breach(f"{transfer.name}: {transfer.got} bytes came, hash {came}, said {claimed}, is {right}")
