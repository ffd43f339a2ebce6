import socket
import sys
import threading

sock = socket.create_connection((sys.argv[1], int(sys.argv[2])))


def listen():
    while True:
        try:
            data = sock.recv(4096)
        except OSError:
            break
        if not data:
            break
        print(data.decode(), end="", flush=True)


threading.Thread(target=listen, daemon=True).start()
for line in sys.stdin:
    sock.sendall(line.encode())
    if "CLOSE SOCKET" in line:
        break
sock.close()
