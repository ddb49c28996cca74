"""An HTTP proxy that writes the place of each request to a file and refuses to go there; it runs as a process."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path


async def serve(record: Path) -> None:
    """Answers until the process is ended; the first line on stdout is the port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await reader.readline()  # CONNECT place HTTP/1.1, or GET http://place/path HTTP/1.1
        with record.open("ab") as file:
            file.write(line or b"(connected)\n")
        writer.write(b"HTTP/1.1 502 Recorded\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
