import socket
import sys
import threading


def worker(sock, number):
    print("client", number)
    while True:
        try:
            text = sock.recv(2048).decode(errors="replace")
        except OSError:
            break
        if not text or "CLOSE SOCKET" in text:
            break
        sock.sendall(text.capitalize().encode())
    sock.close()


listener = socket.create_server(("0.0.0.0", int(sys.argv[1])))
number = 1
while True:
    conn, _ = listener.accept()
    threading.Thread(target=worker, args=(conn, number), daemon=True).start()
    number += 1
