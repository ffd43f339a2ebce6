#!/usr/bin/env python3
"""udp-info server: says who sent each datagram.

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

    sock = gap(1, "a UDP socket on the port (socket, bind; there is no listen)", port)
    print(f"waiting on port {port}", flush=True)

    while True:
        message, address = gap(2, "the next datagram and its sender (recvfrom)", sock)
        gap(3, "print the sender's IP address and port, and flush", address)
        gap(4, "send the sender a line 'you are ADDRESS port PORT (udp)' (sendto)", sock, message, address)


if __name__ == "__main__":
    main()
