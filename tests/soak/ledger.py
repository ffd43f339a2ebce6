"""Who must have got what: the books of one chat, kept by those who take part.

Every healthy user numbers what he says, by *stay* (one time in one room) and by the person he writes to:

    1 of stay 17        to the room:  R 17 1 TIME
    1 from 17 to 23     private:      P 17 23 1 TIME

A stay's number is never used again. A reader who was in the room all the time must get 1, 2, 3 … of a stay, from the
first he saw to the last that was said; nobody ever gets a number twice, an earlier one later, or a private line for another stay.
"""

import itertools
import time
from collections import Counter


class Ledger:
    def __init__(self):
        self.stays = itertools.count(1)
        self.said = {}  # stay -> lines said to the room
        self.room = {}  # stay -> room
        self.began = {}  # stay -> when its first line was said
        self.over = set()  # stays that ended in a way that may lose their last lines
        self.broken = []  # what must never be
        self.counts = Counter()
        self.delays = []  # seconds from a healthy user's send to a healthy user's read

    def breach(self, words):
        self.broken.append(words)
        print(f"BROKEN: {words}", flush=True)

    def enter(self, room):
        stay = next(self.stays)
        self.said[stay], self.room[stay] = 0, room
        return stay

    def to_room(self, stay):
        self.said[stay] += 1
        self.began.setdefault(stay, time.monotonic())
        self.counts["lines said"] += 1
        return f"R {stay} {self.said[stay]} {time.monotonic():.6f}"

    def to_one(self, stay, other, number):
        self.counts["private lines said"] += 1
        return f"P {stay} {other} {number} {time.monotonic():.6f}"


class Reader:
    """What one stay has seen of the others'."""

    def __init__(self, ledger, stay):
        self.ledger, self.stay = ledger, stay
        self.present = time.monotonic()  # made when the server has confirmed that he is in the room
        self.last = {}  # stay of the sender -> its last number
        self.last_private = {}

    def line(self, text):
        """Books one line of a healthy sender; anything else is no business of the ledger's."""
        words = text.split(" ")
        if words[0] == "R" and len(words) == 4:
            self.from_room(int(words[1]), int(words[2]), float(words[3]))
        elif words[0] == "P" and len(words) == 5:
            self.private(int(words[1]), int(words[2]), int(words[3]), float(words[4]))

    def from_room(self, sender, number, sent):
        ledger = self.ledger
        if ledger.room[sender] != ledger.room[self.stay]:
            ledger.breach(f"stay {self.stay} in {ledger.room[self.stay]} heard {sender} of {ledger.room[sender]}")
        if sender == self.stay:
            ledger.breach(f"stay {sender} heard itself")
        before = self.last.get(sender, 0 if self.was_there_before(sender) else number - 1)
        if number != before + 1:
            ledger.breach(f"stay {self.stay} heard {number} of {sender} after {before}")
        self.last[sender] = number
        self.took(sent)

    def was_there_before(self, sender):
        return self.present < self.ledger.began.get(sender, 0)

    def private(self, sender, receiver, number, sent):
        if receiver != self.stay:
            self.ledger.breach(f"stay {self.stay} got what {sender} wrote to {receiver} alone")
        if number <= self.last_private.get(sender, 0):
            self.ledger.breach(f"stay {self.stay} got private {number} of {sender} after {self.last_private[sender]}")
        self.last_private[sender] = number
        self.ledger.counts["private lines read"] += 1
        self.took(sent)

    def took(self, sent):
        self.ledger.counts["lines read"] += 1
        self.ledger.delays.append(time.monotonic() - sent)

    def settle(self):
        """When all has been said and read: of nobody whom he heard, or had to hear, may the end be missing."""
        ledger = self.ledger
        for sender, said in ledger.said.items():
            if sender == self.stay or sender in ledger.over or ledger.room[sender] != ledger.room[self.stay]:
                continue
            last = self.last.get(sender, 0 if self.was_there_before(sender) else None)
            if last is not None and last != said:
                ledger.breach(f"stay {self.stay} heard {last} of the {said} lines of {sender}")
