#!/usr/bin/env python3
"""capitalize-server: answers each line in capitals, until CLOSE SOCKET.

    python3 server.py PORT

Each gap(...) below is yours: put code in its place that does what it says.
The names after the words are the variables it needs.
"""
import itertools
import socket
import sys
import threading


def gap(number, what, *_uses):
    """Stands where your code is missing. What it returns here, yours must give."""
    sys.exit(f"gap {number} is open: {what}")


# Each client's id: counts on, never the same twice.
ids = itertools.count(1)


def serve(connection, client_id):
    """One client's thread: line by line."""
    with connection.makefile("rb") as lines:
        for line in lines:  # a whole line, however many recvs it takes
            if gap(3, "does this line contain CLOSE SOCKET?", line):
                break
            gap(4, "send the line back in capitals", connection, line)
    gap(5, "close this client's connection, and no other", connection)
    print(f"client {client_id} has left", flush=True)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: python3 server.py PORT")
    port = int(sys.argv[1])

    listener = gap(1, "a TCP socket that listens on the port, with SO_REUSEADDR", port)
    print(f"listening on port {port}", flush=True)

    while True:
        connection, address = gap(2, "the next client (accept)", listener)
        client_id = next(ids)
        print(f"client {client_id}: {address}", flush=True)
        gap(6, "start a thread that runs serve; a reset in it must not end the server", connection, client_id)


if __name__ == "__main__":
    main()
