import os
import socket
import sys
import threading

nombre, servidor = sys.argv[1:3]
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
if s.connect_ex((servidor, 2000)) != 0:
    print("No hay servidor en", servidor)
    sys.exit(1)
s.sendall(nombre.encode() + b"\n")


def recibir():
    entrada = s.makefile("rb")
    while True:
        try:
            linea = entrada.readline()
        except OSError:
            linea = b""
        if not linea:
            print("El servidor se ha ido.")
            os._exit(1)
        if linea.startswith(b"@@ "):
            _, tamano, archivo = linea.decode().strip().split(" ", 2)
            os.makedirs(nombre, exist_ok=True)
            with open(f"{nombre}/{archivo}", "wb") as f:
                f.write(entrada.read(int(tamano)))
            print(f"Guardado {nombre}/{archivo}: {tamano} bytes")
        else:
            print(linea.decode(errors="replace").rstrip())


threading.Thread(target=recibir, daemon=True).start()
for texto in sys.stdin:
    s.sendall(texto.encode())
    if texto.strip() == "/salir":
        break
os._exit(0)
