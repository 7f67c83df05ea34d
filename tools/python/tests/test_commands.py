"""The programs that the package installs beside this Python."""

import json
import re
import signal
import subprocess
import sysconfig
from pathlib import Path

import redis

SCRIPTS = Path(sysconfig.get_path("scripts"))


def test_the_daemon_and_the_load_generator_are_commands(tmp_path):
    daemon = subprocess.Popen(
        [SCRIPTS / "pentad", "--listen", "resp://127.0.0.1:0", "--log-level", "warn"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        port = re.fullmatch(r"listening resp 127\.0\.0\.1:(\d+)\n", daemon.stdout.readline())[1]
        assert redis.Redis(port=int(port)).ping()
        report = tmp_path / "report.json"
        load = [SCRIPTS / "pentad-load", "-q", "--target", f"resp://127.0.0.1:{port}", "-n", "1000"]
        subprocess.run([*load, "--json", report], check=True, timeout=60, stdout=subprocess.DEVNULL)
        assert json.loads(report.read_text())
    finally:
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(10) == 0
        daemon.stdout.close()
