import socket
import sys

PORT = int(sys.argv[1]) if len(sys.argv) > 1 else 5001

lauscher = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
lauscher.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
lauscher.bind(("0.0.0.0", PORT))
lauscher.listen(5)
print("Der Server wartet am Anschluss", PORT)

while True:
    verbindung, (adresse, anschluss) = lauscher.accept()
    print(f"Ein Besucher aus {adresse}, sein Anschluss ist {anschluss}.")
    try:
        verbindung.sendall(f"Guten Tag, {adresse}!\r\n".encode())
    except OSError as fehler:
        print("Der Besucher war schon weg:", fehler)
    verbindung.close()
