import select
import socket
import sys

server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
server.bind(("", int(sys.argv[1])))
server.listen(10)
sockets = [server]
names = {}
count = 0


def forget(sock):
    sockets.remove(sock)
    print("client", names.pop(sock), "closed")
    sock.close()


while True:
    readable, _, _ = select.select(sockets, [], [])
    for sock in readable:
        if sock is server:
            conn, addr = server.accept()
            count += 1
            names[conn] = count
            sockets.append(conn)
            print("client", count, "opened")
            continue
        if sock not in names:
            continue
        data = sock.recv(4096)
        if not data or b"CLOSE SOCKET" in data:
            forget(sock)
        else:
            sock.sendall(data.upper())
