#!/usr/bin/env python3
"""udp-echo server: sends each datagram back to its sender.

    python3 server.py PORT

Each gap(...) below is yours: put code in its place that does what it says.
The names after the words are the variables it needs.
"""
import socket
import sys


def gap(number, what, *_uses):
    """Stands where your code is missing. What it returns here, yours must give."""
    sys.exit(f"gap {number} is open: {what}")


# The largest datagram that UDP over IPv4 can carry: a smaller buffer would cut.
MAX_DATAGRAM = 65507


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: python3 server.py PORT")
    port = int(sys.argv[1])

    sock = gap(1, "a UDP socket on the port (socket, bind)", port)
    print(f"waiting on port {port}", flush=True)

    while True:
        message, address = gap(2, "the next datagram and its sender (recvfrom)", sock, MAX_DATAGRAM)
        gap(3, "send it back to that sender, from this same socket (sendto)", sock, message, address)


if __name__ == "__main__":
    main()
