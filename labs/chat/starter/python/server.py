#!/usr/bin/env python3
"""chat server: passes on what users say, and hands out shared files.

    python3 server.py PORT

Each gap(...) below is yours: put code in its place that does what it says.
The names after the words are the variables it needs.
"""
import os
import socket
import sys
import threading


def gap(number, what, *_uses):
    """Stands where your code is missing. What it returns here, yours must give."""
    sys.exit(f"gap {number} is open: {what}")


SHARED = os.environ.get("SERVER_SHARED_FILES", "SharedFiles")

# Who is connected: name and socket. Every thread uses it, so: lock first.
lock = threading.Lock()
users = {}


def send_line(connection, line):
    connection.sendall(line.encode() + b"\n")


def tell_all(line, but=None):
    """A line for every connected user, but one."""
    gap(4, "send the line to each user; a user who is gone must not stop the others", users, lock, but, line)


def tell_one(sender, name, text):
    """A private message."""
    gap(5, "send it to that user alone; tell the sender if there is no such user", users, sender, name, text)


def list_files(connection):
    gap(6, "send how many files there are, then each name", connection, SHARED)


def send_file(connection, name):
    """The size first: the client reads so many bytes, and no more."""
    if name not in os.listdir(SHARED):
        return send_line(connection, "! there is no such file")
    gap(7, "send the size of the file, then its bytes", connection, name)


def handle(connection, name, line):
    """One line of one user. Choose your own commands; these are netlab's."""
    if line.startswith("/msg "):
        to, _, text = line[len("/msg "):].partition(" ")
        tell_one(name, to, text)
    elif line == "/files":
        list_files(connection)
    elif line.startswith("/get "):
        send_file(connection, line[len("/get "):])
    else:
        tell_all(f"<{name}> {line}", but=name)


def serve(connection, address):
    """One client's thread, from its welcome to its leaving."""
    send_line(connection, "* welcome: what is your name?")
    lines = connection.makefile("r", encoding="utf-8", errors="replace")
    name = gap(3, "the first line: a name that nobody else has", lines, users)
    tell_all(f"* {name} has joined")
    try:
        for line in lines:
            line = line.rstrip("\r\n")
            if line == "/quit":
                break
            handle(connection, name, line)
    except OSError:
        pass  # the connection broke: she has left all the same
    gap(8, "forget the user, tell all others that NAME has left, close", name, address)


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: python3 server.py PORT")
    port = int(sys.argv[1])

    listener = gap(1, "a TCP socket that listens on the port, with SO_REUSEADDR", port)
    print(f"listening on port {port}", flush=True)

    while True:
        connection, address = gap(2, "the next client (accept)", listener)
        print(f"connected: {address[0]} port {address[1]}", flush=True)
        threading.Thread(target=serve, args=(connection, address), daemon=True).start()


if __name__ == "__main__":
    main()
