#!/usr/bin/env python3
"""mt-server: answers many clients at once, each on a thread of its own.

    python3 server.py PORT

Each gap(...) below is yours: put code in its place that does what it says.
The names after the words are the variables it needs.
"""
import socket
import sys
import threading


def gap(number, what, *_uses):
    """Stands where your code is missing. What it returns here, yours must give."""
    sys.exit(f"gap {number} is open: {what}")


# Shared by all threads: only who holds the lock may touch the counter.
lock = threading.Lock()
clients = 0


def next_number():
    """A number for a new client, never given twice."""
    return gap(3, "count up under the lock, and return the number", lock, clients)


def serve(connection, number):
    """One client's thread."""
    while True:
        message = gap(4, "the client's next message (recv)", connection)
        if not message:
            break
        gap(5, "answer with 'client NUMBER: ' and the message", connection, number, message)
    gap(6, "close the connection", connection)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: python3 server.py PORT")
    port = int(sys.argv[1])

    listener = gap(1, "a TCP socket that listens on the port, with SO_REUSEADDR", port)
    print(f"listening on port {port}", flush=True)

    while True:
        connection, address = gap(2, "the next client (accept)", listener)
        number = next_number()
        print(f"client {number}: {address}", flush=True)
        gap(7, "start a thread that runs serve, and go on to the next accept", connection, number)


if __name__ == "__main__":
    main()
