import asyncio
import itertools

numeri = itertools.count(1)


async def servi(lettore, scrittore):
    numero = next(numeri)
    print("arrivato il cliente", numero)
    try:
        async for riga in lettore:
            testo = riga.decode(errors="replace").rstrip()
            if testo == "ciao":
                scrittore.write(b"arrivederci\n")
                break
            scrittore.write(f"cliente {numero}, hai detto: {testo}\n".encode())
            await scrittore.drain()
    except (ConnectionError, ValueError) as guaio:
        print("cliente", numero, "perso:", guaio)
    finally:
        scrittore.close()


async def principale():
    async with await asyncio.start_server(servi, "0.0.0.0", 5009) as servitore:
        await servitore.serve_forever()


asyncio.run(principale())
