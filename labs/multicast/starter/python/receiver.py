#!/usr/bin/env python3
"""multicast receiver: joins a group and prints what is sent to it.

    python3 receiver.py GROUP PORT

Each gap(...) below is yours: put code in its place that does what it says.
The names after the words are the variables it needs.
"""
import socket
import struct
import sys


def gap(number, what, *_uses):
    """Stands where your code is missing. What it returns here, yours must give."""
    sys.exit(f"gap {number} is open: {what}")


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: python3 receiver.py GROUP PORT")
    group, port = sys.argv[1], int(sys.argv[2])

    sock = gap(1, "a UDP socket with SO_REUSEADDR, bound to the port", group, port)

    # struct ip_mreq: the group, then the address of the interface to join on
    # (0.0.0.0 leaves the choice to the routes).
    membership = struct.pack("4s4s", socket.inet_aton(group), socket.inet_aton("0.0.0.0"))
    gap(2, "join the group (setsockopt IP_ADD_MEMBERSHIP)", sock, membership)
    print(f"joined {group}, port {port}", flush=True)

    while True:
        message, address = gap(3, "the next datagram and its sender (recvfrom)", sock)
        gap(4, "print the message and who sent it, and flush", message, address)


if __name__ == "__main__":
    main()
