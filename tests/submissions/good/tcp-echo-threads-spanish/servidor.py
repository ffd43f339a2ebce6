import socket
import sys
import threading


def atender(conexion, direccion):
    print("Cliente conectado:", direccion)
    with conexion:
        while True:
            try:
                datos = conexion.recv(1024)
            except ConnectionResetError:
                print("Conexión cortada por", direccion)
                return
            if not datos:
                break
            conexion.sendall(datos)
    print("Cliente desconectado:", direccion)


def main():
    puerto = int(sys.argv[1])
    servidor = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    servidor.bind(("", puerto))
    servidor.listen()
    print(f"Servidor de eco en el puerto {puerto}")
    while True:
        conexion, direccion = servidor.accept()
        threading.Thread(target=atender, args=(conexion, direccion), daemon=True).start()


main()
