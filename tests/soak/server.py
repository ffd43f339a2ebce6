"""A netlab server as the soak sees it: a process that may be killed, and whose files and memory are counted."""

import asyncio
import contextlib
import os
import resource
import signal


class Server:
    """One `netlab LAB server`, restarted on the port it once had."""

    def __init__(self, netlab, lab, *options, environment=None):
        self.netlab, self.lab, self.options = netlab, lab, options
        self.environment = {**os.environ, **(environment or {})}
        self.port = 0
        self.process = None

    async def start(self, descriptors):
        """Starts it with so many descriptors, and waits for the ready line."""

        def limit():
            resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

        words = self.lab.split()
        self.process = await asyncio.create_subprocess_exec(
            self.netlab, *words, "server", f"127.0.0.1:{self.port}", "--quiet", *self.options,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env=self.environment, preexec_fn=limit,
        )
        ready = (await self.process.stdout.readline()).decode()
        if not ready.startswith("listening on "):
            complaint = (await self.process.stderr.read()).decode()
            raise RuntimeError(f"{self.lab} server did not start: {ready}{complaint}")
        self.port = int(ready.rsplit(":", 1)[1])
        self.said = [asyncio.create_task(self.keep(stream)) for stream in (self.process.stdout, self.process.stderr)]

    @staticmethod
    async def keep(stream):
        """Reads what it says, so that it never waits for us; the end of it is kept."""
        last = b""
        while data := await stream.read(65536):
            last = (last + data)[-4000:]
        return last.decode(errors="replace")

    async def end(self, how):
        """Sends the signal; the exit status and the last it said."""
        self.process.send_signal(how)
        status = await asyncio.wait_for(self.process.wait(), 60)
        words = [await task for task in self.said]
        return status, "".join(words)

    def is_running(self):
        return self.process is not None and self.process.returncode is None

    def descriptors(self):
        """What its descriptors are, as /proc names them: files and sockets. How many loops wait is its own affair."""
        folder, names = f"/proc/{self.process.pid}/fd", []
        for each in os.listdir(folder):
            with contextlib.suppress(FileNotFoundError):  # it was closed meanwhile
                names.append(os.readlink(os.path.join(folder, each)))
        return [name for name in names if not name.startswith("anon_inode:")]

    def memory(self):
        """Resident bytes."""
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize()

    def processor_time(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def was_in_order(status, how):
    """Whether this exit status is the one for the signal."""
    return status == (0 if how == signal.SIGTERM else -how)
