#!/usr/bin/env python3
"""tcp-info server: says who connects.

    python3 server.py PORT

Each gap(...) below is yours: put code in its place that does what it says.
The names after the words are the variables it needs.
"""
import socket
import sys


def gap(number, what, *_uses):
    """Stands where your code is missing. What it returns here, yours must give."""
    sys.exit(f"gap {number} is open: {what}")


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: python3 server.py PORT")
    port = int(sys.argv[1])

    listener = gap(1, "a TCP socket that listens on the port (socket, bind, listen)", port)
    print(f"listening on port {port}", flush=True)

    while True:
        connection, address = gap(2, "the next client (accept)", listener)
        gap(3, "print the client's IP address and port, and flush", address)
        gap(4, "tell the client the same: a line 'you are ADDRESS port PORT (tcp)'", connection, address)
        gap(5, "close this connection; the listener stays open", connection)


if __name__ == "__main__":
    main()
