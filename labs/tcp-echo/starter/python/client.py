#!/usr/bin/env python3
"""tcp-echo client: sends each line that you type, and prints its echo.

    python3 client.py HOST PORT

Each gap(...) below is yours: put code in its place that does what it says.
The names after the words are the variables it needs.
"""
import socket
import sys


def gap(number, what, *_uses):
    """Stands where your code is missing. What it returns here, yours must give."""
    sys.exit(f"gap {number} is open: {what}")


def receive_exactly(sock, length):
    """As many bytes as were sent: one recv may give fewer."""
    data = b""
    while len(data) < length:
        more = gap(3, "more of the echo (recv)", sock, length - len(data))
        if not more:
            sys.exit("the server closed before its echo was whole")
        data += more
    return data


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: python3 client.py HOST PORT")
    host, port = sys.argv[1], int(sys.argv[2])

    sock = gap(1, "a connection to the server; if refused, say so and exit 1", host, port)

    for line in sys.stdin:
        message = line.encode()
        gap(2, "send all of the message", sock, message)
        echo = receive_exactly(sock, len(message))
        print(echo.decode(), end="", flush=True)

    gap(4, "close the connection", sock)


if __name__ == "__main__":
    main()
