import socket
import sys
import threading

connections = []


def client_loop(index):
    sock = connections[index]
    sock.sendall(f"[{index}] ready\n".encode())
    while True:
        try:
            message = sock.recv(1024)
        except ConnectionResetError:
            return
        if not message:
            sock.close()
            return
        if b"CLOSE SOCKET" in message:
            print(f"[{index}] closes")
            return
        sock.sendall(message.upper())


def main():
    server = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=20)
    while True:
        sock, _ = server.accept()
        connections.append(sock)
        threading.Thread(target=client_loop, args=(len(connections) - 1,), daemon=True).start()


main()
