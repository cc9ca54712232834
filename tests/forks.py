"""Commands in processes forked from one that has imported everything: real processes, which start at once."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SERVER = """if True:
    import io, json, os, resource, sys, warnings
    from fastrnn.cli import generate, predict, train  # the functions, before the modules of the same names
    import fastrnn.data, fastrnn.cli.generate, fastrnn.cli.train, fastrnn.cli.predict
    from fastrnn.cli.tasks.arithmetic import report
    from fastrnn.cli.tasks.autoencoder import report
    from fastrnn.cli.tasks.classify import report
    from fastrnn.cli.tasks.forecast import report
    from fastrnn.cli.tasks.text import report
    from fastrnn.cli.tasks.words import report
    import fastrnn.cli.resume, fastrnn.cli.sweep.sweep, fastrnn.cli.run.training, fastrnn.plots
    import scipy.optimize, sklearn.datasets, sklearn.model_selection

    figure = fastrnn.plots.confusion_matrix([[3, 1], [1, 2]], ["a", "b"], "fonts are read here")
    figure.savefig(io.BytesIO(), format="png")
    warnings.simplefilter("error", UserWarning)
    print("ready", flush=True)
    for line in sys.stdin:
        wanted = json.loads(line)
        child = os.fork()
        if child:
            print(child, flush=True)
            _, status = os.waitpid(child, 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
            continue
        for number, name in ((0, os.devnull), (1, wanted["out"]), (2, wanted["err"])):
            os.dup2(os.open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o644), number)
        os.chdir(wanted["folder"])
        os.environ |= {"COLUMNS": "100", "NO_COLOR": "1"}
        if wanted["limit"]:
            resource.setrlimit(resource.RLIMIT_FSIZE, (wanted["limit"],) * 2)
        sys.argv = [f"fastrnn-{wanted['command']}", *wanted["arguments"]]
        code = 1
        try:
            {"train": train, "predict": predict, "generate": generate}[wanted["command"]]()
        except SystemExit as exit:
            code = exit.code or 0
        except BaseException:
            import traceback
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
"""
LIMIT = 60  # seconds
# CAP_DAC_OVERRIDE lets the superuser write everywhere; without it folders can be closed to everyone.
NO_OVERRIDE = "import ctypes; ctypes.CDLL(None).prctl(24, 1, 0, 0, 0)"


@dataclass
class Done:
    """How a command has ended: a negative code is a signal."""

    code: int
    out: str
    err: str


class Forks:
    """Runs commands one at a time; what they print goes to files in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._out, self._err = folder / "out.txt", folder / "err.txt"
        launch = f"{NO_OVERRIDE}; import os, sys; os.execv(sys.executable, [sys.executable, '-c', sys.argv[1]])"
        self._server = subprocess.Popen(
            [sys.executable, "-c", launch, SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)},
        )
        assert self._server.stdout.readline() == "ready\n"

    def start(self, command, *arguments, cwd, limit=None):
        """Start a command, whose files may have at most `limit` bytes."""
        wanted = {
            "command": command, "arguments": list(map(str, arguments)), "folder": str(cwd), "limit": limit,
            "out": str(self._out), "err": str(self._err),
        }  # fmt: skip
        self._server.stdin.write(json.dumps(wanted) + "\n")
        self._server.stdin.flush()
        self._child = int(self._server.stdout.readline())

    def wait(self, seconds=LIMIT):
        """Wait for the end of the command, which is killed if it does not come."""
        ready, _, _ = select.select([self._server.stdout], [], [], seconds)
        if not ready:
            self.send(signal.SIGKILL)
        code = int(self._server.stdout.readline())
        assert ready, f"this took more than {seconds} s"
        return Done(code, self._out.read_text(), self._err.read_text())

    def run(self, command, *arguments, cwd, code=0, limit=None):
        """Run a command that is to end with this code."""
        self.start(command, *arguments, cwd=cwd, limit=limit)
        done = self.wait()
        assert done.code == code, done.out + done.err
        return done

    def refused(self, command, *arguments, cwd, limit=None):
        """Run what must end with exit code 2 and one line; return the line."""
        lines = self.run(command, *arguments, cwd=cwd, code=2, limit=limit).err.splitlines()
        assert len(lines) == 1, lines
        return lines[0]

    def interrupt(self, command, *arguments, cwd, when, numbers=(signal.SIGINT,)):
        """Send signals to a command as soon as `when` says so."""
        self.start(command, *arguments, cwd=cwd)
        deadline = time.monotonic() + LIMIT
        while not when() and time.monotonic() < deadline:
            time.sleep(0.002)
        for number in numbers:
            self.send(number)
        return self.wait()

    def send(self, number):
        """Send a signal to the command; it may have ended."""
        with suppress(ProcessLookupError):
            os.kill(self._child, number)

    def close(self):
        """End."""
        self._server.stdin.close()
        self._server.wait(timeout=60)
        self._server.stdout.close()
